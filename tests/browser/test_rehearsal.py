"""A rehearsal on the running stack: the built-in endpoint fails, and the console shows it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.people import People
from tests.browser.world import World


def test_a_rehearsal_opens_a_breaker_before_the_eyes_of_an_admin(
    people: People, world: World
) -> None:
    page = people.arrives("admin", "/start/")
    page.get_by_role("link", name="Rehearse with a built-in one").click()
    page.get_by_label("Events for failing").fill("12")
    page.get_by_role("button", name="Publish for failing").click()
    expect(page.get_by_role("heading", name="Rehearsal: failing")).to_be_visible()
    expect(page.locator("main")).to_contain_text("The breaker opened", timeout=15_000)
    page.goto("/rehearsal/")
    page.get_by_role("button", name="Publish for good").click()
    page.get_by_role("link", name="Deliveries").first.click()
    expect(page.locator("#list tr[id]", has_text="delivered").first).to_be_visible(timeout=10_000)
    page.goto("/rehearsal/")
    page.get_by_role("button", name="End the rehearsal of failing").click()
    expect(page.get_by_role("button", name="End the rehearsal of failing")).to_have_count(0)
