"""Everybody can use it: axe finds nothing, on every page, light and dark, wide and narrow."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.people import People
from tests.browser.world import World

WIDE, NARROW = (1440, 900), (320, 640)
EVERYTHING: dict[str, Any] = {"resultTypes": ["violations"]}
COLOURS: dict[str, Any] = {**EVERYTHING, "runOnly": ["color-contrast"]}
"""What a theme can break."""

OVERFLOW = """() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"""
RUN = "(options) => axe.run(document, options)"


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    found = page.evaluate(RUN, options)["violations"]
    return [
        f"{one['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        for node in one["nodes"][:3]
    ]


def look_at(page: Page, path: str) -> list[str]:
    """What axe finds on a page in both themes and both widths, and what does not fit."""
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    page.goto(path)
    expect(page.locator("h1")).to_be_visible()
    page.evaluate(Axe().axe_script)
    found = []
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        for theme, options in (("light", EVERYTHING), ("dark", COLOURS)):
            page.evaluate("(theme) => {document.documentElement.dataset.theme = theme}", theme)
            found += [f"{path} {width} {theme} {one}" for one in violations(page, options)]
        if over := page.evaluate(OVERFLOW):
            found.append(f"{path} {width}: {over} px too wide")
    return found


def test_axe_finds_nothing_on_any_page(people: People, world: World) -> None:
    page = people.arrives("admin", reduced_motion="reduce")
    paths = [*world.pages, *world.operator_pages, *world.admin_pages]
    found = [one for path in paths for one in look_at(page, path)]
    assert not found, "\n".join(found)


def test_axe_finds_nothing_at_the_door_and_where_nothing_is(people: People) -> None:
    people.expects("404")
    assert look_at(people.arrives("", reduced_motion="reduce"), "/sign-in/") == []
    assert look_at(people.arrives("viewer", reduced_motion="reduce"), "/no-such-page/") == []


def test_axe_finds_nothing_in_forced_colours_and_at_double_size(
    people: People, world: World
) -> None:
    # A window of 1280 pixels at 200 % has 640 of CSS.
    page = people.arrives(
        *("admin", "/"), forced_colors="active", viewport={"width": 640, "height": 450}
    )
    page.evaluate(Axe().axe_script)
    assert violations(page, EVERYTHING) == []
    assert page.evaluate(OVERFLOW) == 0
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    assert violations(page, EVERYTHING) == []
