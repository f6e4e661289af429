"""Pages that agree with themselves: what changed shows in all of a page, where it was."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.test_live import kind, live
from tests.browser.test_resting import held_up
from tests.browser.world import World, await_, dead_letters, publish, subscribe
from tests.receiver import Receiver

ORDER = "[...document.querySelectorAll('#list tr[id]')].map((row) => row.id)"


def test_title_verdict_and_buttons_of_a_page_change_with_its_state(
    people: People, world: World, stack: Stack
) -> None:
    with Receiver() as slow:
        owed = held_up(stack, slow)
        page = live(people.arrives("operator", f"/deliveries/{owed}/"))
        event = stack.api("GET", f"/deliveries/{owed}")["event"]
        story = live(people.arrives("viewer", f"/events/{event}/"))
        expect(page).to_have_title(re.compile("^in_flight"))
        expect(page.get_by_role("button", name="Cancel it")).to_be_visible()
        expect(story.locator(".lede")).to_contain_text("1 in flight")
        slow.release()
        expect(page).to_have_title(re.compile("^delivered"))
        expect(page.get_by_role("button", name="Cancel it")).to_have_count(0)
        expect(page.get_by_role("link", name="Send again")).to_be_visible()
        expect(story.locator(".lede")).to_contain_text("It arrived to 1 subscription.")


def test_the_forms_of_a_subscription_follow_its_breaker_but_not_while_somebody_types(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    to = subscribe(stack, endpoint.url("/ok"), kind())
    page = live(people.arrives("operator", f"/subscriptions/{to}/"))
    other = people.arrives("operator", f"/subscriptions/{to}/")
    reason = page.locator("#acts input[name=reason]").first
    reason.fill("a reason that is half-fin")
    other.get_by_role("button", name="Open the breaker").click()
    expect(page.locator("#subscription-live .notice")).to_contain_text("The breaker opened")
    expect(page).to_have_title(re.compile("^open"))
    expect(reason).to_have_value("a reason that is half-fin")
    expect(page.get_by_role("button", name="Open the breaker")).to_be_visible()
    reason.fill("")
    reason.blur()
    expect(page.get_by_role("button", name="Close the breaker")).to_be_visible(timeout=20_000)


def test_a_death_shows_in_its_group_without_a_reload_and_a_new_group_as_a_number(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of = kind()
    to = subscribe(stack, endpoint.url("/status/418"), of, name=of, schedule=[])
    publish(stack, of)
    await_(lambda: len(dead_letters(stack, to)) == 1)
    page = live(people.arrives("operator", "/dead-letters/"))
    row = page.locator("#list tr", has_text=of)
    expect(row.locator("td.num").first).to_have_text("1")
    order = page.evaluate(ORDER)
    row.get_by_role("link", name="Replay").focus()
    publish(stack, of)
    expect(row.locator("td.num").first).to_have_text("2")
    expect(row.get_by_role("link", name="Replay")).to_be_focused()
    other = kind()
    subscribe(stack, endpoint.url("/status/418"), other, name=other, schedule=[])
    publish(stack, other)
    expect(page.locator("#list [data-news] a")).to_have_text("1 new — show")
    assert page.evaluate(ORDER) == order
    page.locator("#list [data-news] a").click()
    expect(page.locator("#list tr[id]").first).to_contain_text(other)
