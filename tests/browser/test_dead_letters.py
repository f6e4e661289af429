"""Dead letters in a browser: corrected and sent again, ticked and discarded together."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.world import World, await_, publish_many, subscribe
from tests.receiver import Receiver


def died(stack: Stack, endpoint: Receiver, many: int) -> tuple[str, str]:
    """A kind of event whose deliveries are all dead, and their subscription."""
    of = f"test.k{uuid4().hex[:12]}"
    to = subscribe(stack, endpoint.url("/status/404"), of, schedule=[])
    publish_many(stack, of, many)
    listed = f"/dead-letters?subscription={to}"
    await_(lambda: len(stack.api("GET", listed)["data"]) == many, within=20)
    return of, to


def test_a_letter_is_corrected_and_its_new_event_arrives_elsewhere(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of, _ = died(stack, endpoint, 1)
    good = subscribe(stack, endpoint.url("/ok"), "test.nothing")
    page = people.arrives("operator", f"/dead-letters/all/?type={of}")
    page.locator("table.rows tbody a[href*='/dead-letters/dlq_']").first.click()
    page.get_by_role("link", name="Correct and send…").click()
    page.get_by_label("Data").fill('{"corrected": true}')
    page.get_by_label("Send to").fill(good)
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("main")).to_contain_text("redriveamends")
    expect(page.locator("main .state", has_text="delivered").first).to_be_visible(timeout=10_000)
    assert any(request.body == b'{"corrected": true}' for request in endpoint.requests)


def test_letters_are_ticked_and_discarded_together(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of, _ = died(stack, endpoint, 3)
    page = people.arrives("operator", f"/dead-letters/all/?type={of}")
    boxes = page.locator("input[name=ids]")
    expect(boxes).to_have_count(3)
    boxes.nth(0).check()
    boxes.nth(2).check()
    discard = page.get_by_role("button", name="Discard", exact=True)
    discard.click()
    expect(page.locator("body")).to_contain_text("Discarded 2.")
    expect(boxes).to_have_count(1)
    page.goto(f"/dead-letters/all/?type={of}&state=discarded")
    expect(page.locator("#list tbody tr")).to_have_count(2)
    expect(discard).to_have_count(0)  # Of what is settled nothing can be ticked.


def test_all_that_match_are_discarded_after_a_look_and_come_back_with_one_click(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of, _ = died(stack, endpoint, 4)
    page = people.arrives("operator", f"/dead-letters/all/?type={of}")
    page.get_by_role("link", name="Discard these…").click()
    expect(page.locator("main h2").first).to_have_text("Discard 4 dead letters of 1 endpoint")
    page.get_by_role("button", name="Discard 4").click()
    expect(page.locator("#messages")).to_contain_text("Discarded 4.")
    expect(page.locator("input[name=ids]")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#messages")).to_contain_text("Put 4 back on the list.")
    page.goto(f"/dead-letters/all/?type={of}")
    expect(page.locator("input[name=ids]")).to_have_count(4)
