"""Everybody can use it: axe finds nothing, for each role, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.test_live import kind
from tests.browser.test_pages import open_page
from tests.browser.world import World, await_, publish, subscribe
from tests.receiver import Receiver

WIDE, NARROW = (1440, 900), (320, 640)
EVERYTHING: dict[str, Any] = {
    "resultTypes": ["violations"],
    # WCAG 2.2's, which axe leaves off.
    "rules": {"target-size": {"enabled": True}},
}
COLOURS: dict[str, Any] = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
"""What a theme can break."""

THEMES = {WIDE[0]: [("light", EVERYTHING), ("dark", COLOURS)], NARROW[0]: [("light", EVERYTHING)]}

OVERFLOW = """() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth"""
RUN = "(options) => axe.run(document, options)"
THEME = "(theme) => {document.documentElement.dataset.theme = theme}"


def violations(page: Page, options: dict[str, Any] = EVERYTHING) -> list[str]:
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate(RUN, options)["violations"]
    return [
        f"{one['id']}: {node['target']} {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        for node in one["nodes"][:3]
    ]


def look_at(page: Page, path: str, status: int = 200) -> list[str]:
    """What axe finds on a page in both themes and both widths, and what does not fit."""
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    open_page(page, path, status)
    found = []
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        for theme, options in THEMES[width]:
            page.evaluate(THEME, theme)
            found += [f"{path} {width} {theme} {one}" for one in violations(page, options)]
        if over := page.evaluate(OVERFLOW):
            found.append(f"{path} {width}: {over} px too wide")
    return found


def glance_at(page: Page, paths: Sequence[str]) -> list[str]:
    """What axe finds on each page, once."""
    found = []
    for path in paths:
        page.goto(path)
        found += [f"{path} {one}" for one in violations(page)]
    return found


def test_every_page_opens_for_an_admin_and_axe_finds_nothing(people: People, world: World) -> None:
    page = people.arrives("admin", reduced_motion="reduce")
    paths = [*world.pages, *world.operator_pages, *world.admin_pages, "/api/docs"]
    found = [one for path in paths for one in look_at(page, path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_axe_finds_nothing_on_what_a_role_sees_otherwise(
    people: People, world: World, role: str
) -> None:
    page = people.arrives(role, reduced_motion="reduce", color_scheme="dark")
    paths = world.pages if role == "viewer" else [*world.detail_pages, *world.operator_pages]
    found = glance_at(page, paths)
    assert not found, "\n".join(found)


def test_axe_finds_nothing_on_what_a_replay_left_out(
    people: People, stack: Stack, endpoint: Receiver
) -> None:
    to, of = subscribe(stack, endpoint.url("/ok"), "none", name="Soon gone"), kind()
    order = {
        "source": "events",
        "criteria": {"ids": [publish(stack, of) for _ in range(3)]},
        "target": to,
        "rate": 0.01,
    }
    replay = f"/replays/{stack.api('POST', '/replays', order)['id']}"
    stack.api("DELETE", f"/subscriptions/{to}")
    stack.api("POST", f"{replay}/rate", {"rate": 1_000})
    await_(lambda: stack.api("GET", replay)["state"] == "done")
    page = people.arrives("viewer", f"{replay}/", reduced_motion="reduce")
    page.locator("dt", has_text="Left out").locator("+ dd a").click()
    row = page.locator("tbody tr", has_text=of).first
    expect(row).to_contain_text("Soon gone deleted")
    expect(row).to_contain_text("The subscription was deleted.")
    assert look_at(page, f"{replay}/left-out/") == []


def test_axe_finds_nothing_at_the_door_and_where_nobody_gets_in(people: People) -> None:
    people.expects("404|403")
    assert look_at(people.arrives("", reduced_motion="reduce"), "/sign-in/") == []
    page = people.arrives("viewer", reduced_motion="reduce")
    assert [*look_at(page, "/no-such-page/", 404), *look_at(page, "/keys/", 403)] == []


def test_axe_finds_nothing_where_a_secret_is_shown_once(people: People, world: World) -> None:
    page = people.arrives("admin")
    people.adds(page, "a-newcomer", "viewer")
    found = violations(page)
    page.goto(f"/subscriptions/{world.picky}/")
    page.get_by_role("button", name="Rotate").click()
    expect(page.locator("#secret")).to_be_visible()
    found += violations(page)
    page.goto("/keys/")
    form = page.locator("form[action='/keys/new/']")
    form.get_by_label("Name", exact=True).fill("a key to look at")
    form.locator("input[value=publish]").check()
    form.get_by_role("button").click()
    expect(page.locator("main")).to_contain_text("rdk_")
    found += violations(page)
    assert not found, "\n".join(found)


def test_axe_finds_nothing_in_forced_colours_and_at_double_size(
    people: People, world: World
) -> None:
    # A window of 1280 pixels at 200 % has 640 of CSS.
    page = people.arrives(
        *("admin", "/"), forced_colors="active", viewport={"width": 640, "height": 450}
    )
    assert violations(page) == []
    assert page.evaluate(OVERFLOW) == 0
    chosen = page.locator(".segmented [aria-current]").first
    assert chosen.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    assert violations(page) == []


def test_nothing_moves_for_whoever_asked_for_less_motion(people: People, world: World) -> None:
    page = people.arrives("viewer", "/", reduced_motion="reduce")
    longest = page.evaluate(
        """() => Math.max(...[...document.querySelectorAll('*')].flatMap((one) => {
            const style = getComputedStyle(one);
            return [style.transitionDuration, style.animationDuration].map(parseFloat);
        }))"""
    )
    assert longest <= 0.001


def test_what_has_the_focus_is_never_under_the_sticky_head(people: People, world: World) -> None:
    page = people.arrives(*("viewer", "/settings/"), viewport={"width": 1024, "height": 400})
    for _ in range(40):
        page.keyboard.press("Tab")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        hidden = page.evaluate(
            """() => {
                const one = document.activeElement;
                const { x, y, width, height } = one.getBoundingClientRect();
                const top = document.elementFromPoint(x + width / 2, y + height / 2);
                return !(one.contains(top) || top?.contains(one));
            }"""
        )
        assert not hidden, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
