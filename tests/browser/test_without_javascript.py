"""Without JavaScript every action works: each is a form, and each says what came of it."""

from __future__ import annotations

import re
from uuid import uuid4

from playwright.sync_api import Page, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.world import World, await_, deliveries, publish_many, subscribe
from tests.receiver import Receiver


def plain(people: People, role: str, path: str) -> Page:
    return people.arrives(role, path, java_script_enabled=False)


def test_a_subscription_is_steered(people: People, world: World) -> None:
    page = plain(people, "admin", f"/subscriptions/{world.picky}/")
    page.get_by_label("Reason").first.fill("a deploy")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("Paused.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#messages")).to_contain_text("Resumed")
    page.get_by_role("button", name="Open the breaker").click()
    expect(page.locator("#messages")).to_contain_text("The breaker is open for 15 min")
    page.get_by_role("button", name="Close the breaker").click()
    expect(page.locator("#messages")).to_contain_text("The breaker is closed")
    page.get_by_role("button", name="Rotate").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#messages")).to_contain_text("A test is on its way")
    page.goto(f"/subscriptions/{world.picky}/edit/")
    page.get_by_role("button", name="Try on the last 100 events").click()
    expect(page.locator("#trial")).to_contain_text("match")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_contain_text("Shop: large")
    page.goto("/search/?q=" + world.event)
    assert world.event in page.url


def test_a_dead_letter_is_discarded_and_put_back(people: People, world: World) -> None:
    page = plain(people, "operator", f"/dead-letters/{world.dead}/")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#messages")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.goto(f"/dead-letters/{world.dead}/")
    expect(page.get_by_role("button", name="Discard")).to_be_visible()


def test_a_group_is_replayed(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of = f"test.k{uuid4().hex[:12]}"
    to = subscribe(stack, endpoint.url("/status/404"), of, schedule=[])
    publish_many(stack, of, 2)
    await_(lambda: len(deliveries(stack, to, "dead")) == 2)
    page = plain(people, "operator", f"/subscriptions/{to}/")
    page.goto(f"/dead-letters/all/?subscription={to}")
    page.get_by_role("link", name="Replay these…").click()
    expect(page.locator("main h2").first).to_contain_text("Replay 2 dead letters to 1 endpoint")
    page.get_by_role("button", name="Start the replay").click()
    expect(page).to_have_url(re.compile("/replays/rpl_"))
    await_(lambda: len(deliveries(stack, to)) == 4)


def test_a_delivery_is_retried_and_cancelled_alone_and_by_filter(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of = f"test.k{uuid4().hex[:12]}"
    to = subscribe(stack, endpoint.url("/status/404"), of, schedule=[3600.0, 3600.0])
    publish_many(stack, of, 3)
    waits = f"/deliveries?subscription={to}&state=pending&status=404"
    await_(lambda: len(stack.api("GET", waits)["data"]) == 3)
    one, other, _ = deliveries(stack, to, "pending")
    page = plain(people, "operator", f"/deliveries/{one['id']}/")
    page.get_by_role("button", name=re.compile("^Retry")).first.click()
    expect(page.locator("#messages .tone-healthy")).to_be_visible()
    page.goto(f"/deliveries/{other['id']}/")
    page.get_by_role("button", name=re.compile("^Cancel")).first.click()
    expect(page.locator("#messages .tone-healthy")).to_be_visible()
    page.goto(f"/deliveries/bulk/?verb=cancel&all=1&subscription={to}")
    page.get_by_role("button", name=re.compile("^Cancel [0-9]")).click()
    expect(page).to_have_url(re.compile("/bulk/blk_"))
    await_(lambda: len(deliveries(stack, to, "cancelled")) == 3)


def test_keys_and_people_come_and_go(people: People, world: World) -> None:
    page = plain(people, "admin", "/keys/")
    name = f"key {uuid4().hex[:8]}"
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("publish").check()
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("main")).to_contain_text("rdk_")
    page.goto("/keys/")
    page.get_by_role("button", name=f"Revoke {name}").click()
    expect(page.locator("tr", has_text=name)).to_contain_text("revoked")
    who = f"p{uuid4().hex[:8]}"
    people.adds(page, who, "viewer")
    page.goto("/users/")
    row = page.locator("tr", has_text=who)
    row.get_by_label(f"Role of {who}").select_option("operator")
    row.get_by_role("button", name="Set").click()
    expect(page.locator("#messages")).to_be_visible()
    page.locator("tr", has_text=who).get_by_role("button", name="Shut out").click()
    expect(page.locator("tr", has_text=who)).to_contain_text("shut out")


def test_a_view_is_saved_and_deleted(people: People, world: World) -> None:
    page = plain(people, "viewer", "/events/?type=parcel.**")
    name = f"Parcels {uuid4().hex[:6]}"
    page.locator("#save-view summary").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/events/")
    page.get_by_role("link", name=name).click()
    expect(page).to_have_url(re.compile(r"type=parcel"))
    page.get_by_role("button", name=f"Delete the view {name}").click()
    expect(page.get_by_role("link", name=name)).to_have_count(0)
