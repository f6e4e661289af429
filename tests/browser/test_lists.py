"""Lists that stand still: rows never move, ticks are kept, and bulk acts say what they will do."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import Page, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.world import World, publish_many, subscribe
from tests.receiver import Receiver

PLACES = (
    "() => [...document.querySelectorAll('#list tr[id]')].map((row) => [row.id, row.offsetTop])"
)


def owed(stack: Stack, endpoint: Receiver, many: int) -> str:
    """A kind of event with deliveries that fail and wait for their next try."""
    of = f"test.k{uuid4().hex[:12]}"
    subscribe(stack, endpoint.url("/status/500"), of, schedule=[3600])
    publish_many(stack, of, many)
    return of


def listed(people: People, of: str, many: int) -> Page:
    """The list of one kind, once each was tried."""
    page = people.arrives("operator", f"/deliveries/?type={of}")
    expect(page.locator("#list tr[id]", has_text="500")).to_have_count(many)
    return page


def test_new_rows_are_a_line_above_and_neither_rows_nor_ticks_move(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of = owed(stack, endpoint, 3)
    page = listed(people, of, 3)
    box = page.locator("#list input[name=ids]").nth(1)
    box.check()
    before = page.evaluate(PLACES)
    publish_many(stack, of, 4)
    expect(page.locator("#newer a")).to_have_text("4 new — show")
    expect(page.locator("#said")).to_have_text("4 new deliveries.")
    assert page.evaluate(PLACES) == before
    expect(box).to_be_checked()
    expect(page.locator("[data-ticked]")).to_have_text("1 ticked")
    page.locator("#newer a").click()
    expect(page.locator("#list tr[id]")).to_have_count(7)


def test_a_row_that_changes_is_drawn_in_its_place_and_keeps_its_tick_and_the_focus(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    page = listed(people, owed(stack, endpoint, 3), 3)
    row = page.locator("#list tr[id]").first
    row.locator("input").check()
    page.keyboard.press("j")
    name = row.get_attribute("id")
    before = page.evaluate(PLACES)
    stack.api("POST", f"/deliveries/{name}/cancel")
    expect(row.locator(".state")).to_contain_text("cancelled")
    assert page.evaluate(PLACES) == before
    expect(row.locator("input")).to_be_checked()
    assert page.evaluate("document.activeElement.id") == page.evaluate(PLACES)[1][0]


def test_all_that_match_are_cancelled_after_a_look_and_the_page_shows_the_end(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    page = listed(people, owed(stack, endpoint, 3), 3)
    page.get_by_label("Select all 3 matching").check()
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("heading", name="Cancel 3 deliveries to 1 endpoint")).to_be_visible()
    page.get_by_role("button", name="Cancel 3").click()
    expect(page.locator("#bulk-live .state")).to_contain_text("done")
    expect(page.locator("#bulk-live")).to_contain_text("3 of 3")


def test_what_another_admin_does_to_a_key_shows_without_a_reload(people: People) -> None:
    acts = people.arrives("admin", "/keys/")
    form = acts.locator("form[action='/keys/new/']")
    form.get_by_label("Name", exact=True).fill("looked at")
    form.get_by_role("button", name="Make the key").click()
    row = people.arrives("admin", "/keys/").get_by_role("row").filter(has_text="looked at")
    expect(row).to_contain_text("active")
    acts.goto("/keys/")
    acts.get_by_role("button", name="Revoke looked at").click()
    expect(row).to_contain_text("revoked")
