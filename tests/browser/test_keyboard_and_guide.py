"""The guide that leads to a first event, and the keys that lead everywhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess

from playwright.sync_api import expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.world import World
from tests.receiver import Receiver


def test_the_guide_is_followed_and_its_steps_tick(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    page = people.arrives("admin", "/start/")
    page.get_by_role("link", name=re.compile("^Make (a subscription|another)$")).click()
    page.get_by_label("URL").fill(endpoint.url("/ok"))
    page.get_by_label("Event types").fill("order.paid")
    page.get_by_role("button", name="Make the subscription").click()
    expect(page.locator("#secret")).to_contain_text("whsec_")
    page.goto("/keys/")
    page.get_by_label("Name", exact=True).fill("the guide")
    page.get_by_label("publish").check()
    page.get_by_role("button", name="Make the key").click()
    command = page.locator("#curl").inner_text()
    page.get_by_role("link", name="Go on with the guide").click()
    done = subprocess.run(
        [*shlex.split(command.replace("\\\n", " ")), "--silent"], capture_output=True, check=True
    )
    event = json.loads(done.stdout)["id"]
    expect(page.locator("#start-live .state", has_text="done")).to_have_count(3)
    expect(page.locator("#start-live a", has_text="order.paid").first).to_have_attribute(
        "href", f"/events/{event}/"
    )


GO = {
    "o": "/",
    "e": "/events/",
    "s": "/subscriptions/",
    "l": "/dead-letters/",
    "r": "/replays/",
    "h": "/health/",
    "d": "/deliveries/",
}


def test_keys_lead_to_pages_rows_search_and_help(people: People, world: World) -> None:
    page = people.arrives("viewer", "/")
    for key, path in GO.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page).to_have_url(people.url + path)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    row = page.locator("tr[data-href]").first
    expect(row).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/deliveries/dlv_"))
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("gs?")
    expect(page.locator("#find")).to_have_value("gs?")
    page.keyboard.press("Tab")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_single_keys_are_switched_off_for_good(people: People, world: World) -> None:
    page = people.arrives("viewer", "/")
    page.keyboard.press("?")
    page.get_by_label("Single keys are on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).not_to_be_visible()
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).not_to_be_visible()
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Keyboard").click()
    expect(page.get_by_label("Single keys are on")).not_to_be_checked()


def test_x_ticks_the_row_that_has_the_focus(people: People, world: World) -> None:
    page = people.arrives("operator", f"/dead-letters/all/?subscription={world.failing}")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("input[name=ids]").nth(1)).to_be_checked()
    expect(page.locator("input[name=ids]").first).not_to_be_checked()


def test_the_palette_finds_pages_and_ids(people: People, world: World) -> None:
    page = people.arrives("viewer", "/")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette).to_be_visible()
    page.keyboard.type("Shop: book")
    expect(palette.get_by_role("link", name=re.compile("Shop: bookkeeping"))).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.type(world.event)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{people.url}/events/{world.event}/")


def test_back_keeps_the_filter(people: People, world: World) -> None:
    page = people.arrives("viewer", "/events/")
    page.locator("form.filters input[name=type]").fill("parcel.**")
    page.keyboard.press("Enter")
    rows = page.locator("tr[data-href]")
    expect(rows.first).to_contain_text("parcel.sent")
    rows.first.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile("/events/evt_"))
    page.go_back()
    expect(page.locator("form.filters input[name=type]")).to_have_value("parcel.**")
    expect(page.locator("tr[data-href]").first).to_contain_text("parcel.sent")
