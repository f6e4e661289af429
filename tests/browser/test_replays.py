"""Replays: the number that was promised is the number that is sent."""

from __future__ import annotations

import re
from uuid import uuid4

from playwright.sync_api import Page, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.world import World, await_, dead_letters, publish_many, subscribe
from tests.receiver import Receiver

WITHIN_A_SECOND = 1_000.0


def graveyard(stack: Stack, receiver: Receiver, many: int) -> tuple[str, str]:
    """A subscription with this many dead letters, and their type."""
    of = f"dead.k{uuid4().hex[:10]}"
    url = receiver.url(f"/then/{'/'.join(['404'] * many)}/200")
    to = subscribe(stack, url, of, name=f"Graves {of}", schedule=[], max_concurrency=1)
    publish_many(stack, of, many)
    await_(lambda: len(dead_letters(stack, to)) == many)
    return to, of


def dry_run(page: Page, to: str, rate: str = "") -> None:
    page.goto(f"/replays/new/?source=dead_letters&subscription={to}&rate={rate}")


def ids_of(page: Page) -> str:
    found = re.search("rpl_[0-9A-Z]{26}", page.url)
    assert found is not None
    return found[0]


def test_as_many_are_replayed_as_the_dry_run_said(
    people: People, world: World, stack: Stack, receiver: Receiver
) -> None:
    to, _ = graveyard(stack, receiver, 4)
    page = people.arrives("operator")
    dry_run(page, to)
    expect(page.locator(".confirm h2")).to_contain_text("Replay 4 dead letters to 1 endpoint")
    page.locator(".confirm h2").get_by_role("link", name="4").click()
    expect(page.locator("#list tbody tr")).to_have_count(4)
    page.get_by_role("link", name="Dry run").click()
    page.get_by_role("button", name="Start the replay").click()
    expect(page.locator("#replay-live .state").first).to_contain_text("done")
    expect(page.locator("#replay-live header .end").first).to_have_text("4 of 4")
    expect(page.locator(".stat", has_text="Delivered").locator(".value")).to_have_text("4")
    assert stack.api("GET", f"/replays/{ids_of(page)}")["made"] == 4
    assert dead_letters(stack, to) == []


def test_a_running_replay_is_cancelled_within_a_second(
    people: People, world: World, stack: Stack, receiver: Receiver
) -> None:
    to, _ = graveyard(stack, receiver, 3)
    page = people.arrives("operator")
    dry_run(page, to, rate="0.2")
    page.get_by_role("button", name="Start the replay").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    state = page.locator("#replay-live .state").first
    expect(state).to_contain_text("cancelled", timeout=WITHIN_A_SECOND)
    assert stack.api("GET", f"/replays/{ids_of(page)}")["made"] < 3


def test_a_set_that_moved_brings_the_question_back_with_the_new_number(
    people: People, world: World, stack: Stack, receiver: Receiver
) -> None:
    to, _ = graveyard(stack, receiver, 2)
    people.expects("409")
    page = people.arrives("operator")
    dry_run(page, to)
    letter = dead_letters(stack, to)[0]["id"]
    stack.api("POST", f"/dead-letters/{letter}/discard")
    page.get_by_role("button", name="Start the replay").click()
    expect(page.get_by_role("alert")).to_contain_text("The set moved while you looked")
    expect(page.locator(".confirm h2")).to_contain_text("Replay 1 dead letter to")
    page.get_by_role("button", name="Start the replay").click()
    expect(page.locator("h1")).to_have_text("Replay of dead letters")


def test_a_double_click_makes_one_replay(
    people: People, world: World, stack: Stack, receiver: Receiver
) -> None:
    to, _ = graveyard(stack, receiver, 1)
    page = people.arrives("operator")
    dry_run(page, to)
    page.get_by_role("button", name="Start the replay").dblclick()
    expect(page.locator("h1")).to_have_text("Replay of dead letters")
    replays = stack.api("GET", "/replays")["data"]
    assert sum(one["criteria"].get("subscription") == to for one in replays) == 1
