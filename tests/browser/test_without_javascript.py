"""Without JavaScript every action works: each is a form, and each says what came of it."""

from __future__ import annotations

import re
from uuid import uuid4

from playwright.sync_api import Page, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.world import World, await_, deliveries, publish_many, subscribe
from tests.receiver import Receiver

TWO = ("operator", "admin")


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


def tried(stack: Stack, to: str) -> list[int]:
    return sorted(one["attempts"] for one in deliveries(stack, to))


def test_ticked_deliveries_and_all_that_match_are_retried(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of = f"test.k{uuid4().hex[:12]}"
    to = subscribe(stack, endpoint.url("/status/404"), of, schedule=[3600.0] * 3)
    publish_many(stack, of, 2)
    await_(lambda: tried(stack, to) == [1, 1])
    page = plain(people, "operator", f"/deliveries/?subscription={to}")
    page.locator("input[name=ids]").first.check()
    page.get_by_role("button", name="Retry…", exact=True).click()
    page.get_by_role("button", name="Retry 1").click()
    expect(page).to_have_url(re.compile("/bulk/blk_"))
    await_(lambda: tried(stack, to) == [1, 2])
    page.goto(f"/deliveries/?subscription={to}")
    page.get_by_label(re.compile("^Select all")).check()
    page.get_by_role("button", name="Retry…", exact=True).click()
    page.get_by_role("button", name="Retry 2").click()
    await_(lambda: tried(stack, to) == [2, 3])


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


def said(page: Page, words: str) -> None:
    expect(page.locator("#messages")).to_contain_text(words)


def kind() -> str:
    return f"test.k{uuid4().hex[:12]}"


def test_a_subscription_is_disabled_enabled_and_deleted(
    people: People, stack: Stack, endpoint: Receiver
) -> None:
    name = f"Short lived {uuid4().hex[:6]}"
    to = subscribe(stack, endpoint.url("/ok"), kind(), name=name)
    page = plain(people, "admin", f"/subscriptions/{to}/")
    page.locator("#disable-reason").fill("it moves")
    page.get_by_role("button", name="Disable").click()
    said(page, "Disabled.")
    page.get_by_role("button", name="Undo").click()
    said(page, "It is as it was before.")
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Enable").click()
    said(page, "Enabled")
    page.get_by_role("link", name="Delete…").click()
    page.locator("#confirm-name").fill(name)
    page.get_by_role("button", name="Delete it").click()
    said(page, f"Deleted {name}")


def test_a_replay_is_slowed_and_cancelled(people: People, stack: Stack, endpoint: Receiver) -> None:
    of = kind()
    to = subscribe(stack, endpoint.url("/status/404"), of, schedule=[])
    publish_many(stack, of, 4)
    await_(lambda: len(deliveries(stack, to, "dead")) == 4)
    begin = f"/replays/new/?source=dead_letters&subscription={to}&rate=0.01"
    page = plain(people, "operator", begin)
    page.get_by_role("button", name="Start the replay").click()
    page.get_by_label("Deliveries a second").fill("0.02")
    page.get_by_role("button", name="Change rate").click()
    said(page, "It goes on at 0.02 a second; it was 0.01 a second.")
    page.get_by_role("button", name="Cancel").click()
    said(page, "Cancelled.")


def test_a_dead_letter_is_corrected(people: People, stack: Stack, endpoint: Receiver) -> None:
    of = kind()
    to = subscribe(stack, endpoint.url("/status/404"), of, schedule=[])
    publish_many(stack, of, 1)
    await_(lambda: len(deliveries(stack, to, "dead")) == 1)
    page = plain(people, "operator", f"/dead-letters/all/?subscription={to}")
    page.locator("tbody tr a.id").first.click()
    page.get_by_role("link", name="Correct and send…").click()
    page.get_by_label("Data").fill('{"corrected": true}')
    page.get_by_role("button", name="Send it").click()
    said(page, "Sent as a new event")


def test_an_alert_is_acknowledged_silenced_and_rings_again(
    people: People, stack: Stack, endpoint: Receiver
) -> None:
    name = f"Alarming {uuid4().hex[:6]}"
    to = subscribe(stack, endpoint.url("/ok"), kind(), name=name)
    page = plain(people, "operator", f"/subscriptions/{to}/")
    page.get_by_role("button", name="Open the breaker").click()
    row = page.locator("#standing tr", has_text=name)

    def stands() -> bool:
        page.goto("/alerts/")
        return row.count() == 1

    await_(stands)
    row.get_by_role("button", name="Acknowledge").click()
    said(page, "Acknowledged.")
    row.get_by_role("button", name="Ring again").click()
    said(page, "It rings again.")
    row.get_by_role("combobox").select_option("8")
    row.get_by_role("button", name="Silence").click()
    said(page, "Silenced for 8 hours.")


def test_of_two_who_act_at_once_one_is_told_that_it_was_done(
    people: People, stack: Stack, endpoint: Receiver
) -> None:
    of = kind()
    to = subscribe(stack, endpoint.url("/status/404"), of, schedule=[3600.0])
    publish_many(stack, of, 1)
    # Its first attempt is over, so it stays as it is.
    await_(lambda: [one["attempts"] for one in deliveries(stack, to, "pending")] == [1])
    [owed] = deliveries(stack, to, "pending")
    first, second = (plain(people, who, f"/deliveries/{owed['id']}/") for who in TWO)
    for page, words in ((first, "Cancelled."), (second, "It is finished already.")):
        page.get_by_role("button", name="Cancel it").click()
        said(page, words)
    dies = subscribe(stack, endpoint.url("/status/404"), f"{of}.dies", schedule=[])
    publish_many(stack, f"{of}.dies", 1)
    await_(lambda: len(deliveries(stack, dies, "dead")) == 1)
    for page in (first, second):
        page.goto(f"/dead-letters/all/?subscription={dies}")
        page.locator("tbody tr a.id").first.click()
    for page, words in ((first, "Discarded 1."), (second, "There was nothing open to discard.")):
        page.get_by_role("button", name="Discard").click()
        said(page, words)
    for page in (first, second):
        page.goto(f"/subscriptions/{to}/")
    for page, words in ((first, "Paused."), (second, "It is paused already")):
        page.get_by_role("button", name="Pause", exact=True).click()
        said(page, words)
