"""What a reader paused, hid, or is told of: pages that keep still, then make up for it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Request, WebSocketRoute, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.test_live import kind, live, more_come, pass_on, received
from tests.browser.world import World, await_, publish, subscribe
from tests.receiver import Receiver

HIDE = """(hidden) => {
    Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


def asked(page: Page) -> list[str]:
    """The addresses that the page asks for from now on."""
    urls: list[str] = []

    def hear(request: Request) -> None:
        urls.append(request.url)

    page.on("request", hear)
    return urls


def held_up(stack: Stack, slow: Receiver) -> str:
    """A delivery that is in flight until `slow` releases it; its id."""
    of = kind()
    to = subscribe(stack, slow.url("/hold"), of)
    publish(stack, of)
    slow.wait(1)
    [owed] = stack.api("GET", f"/deliveries?subscription={to}")["data"]
    return str(owed["id"])


@pytest.mark.parametrize("of", ["overview", "event"])
def test_a_hidden_tab_gets_no_frames_and_asks_for_nothing_then_catches_up(
    people: People, world: World, of: str
) -> None:
    page, other = people.arrives("viewer"), people.arrives("operator")
    said: list[str] = []
    page.on("websocket", lambda ws: ws.on("framesent", lambda frame: said.append(str(frame))))
    texts, seen = received(page), received(other)
    page.clock.install()
    page.goto("/" if of == "overview" else f"/events/{world.event}/")
    live(page)
    other.goto("/")
    page.evaluate(HIDE, True)
    page.clock.run_for(61_000)
    await_(lambda: page.evaluate("1") == 1 and "pause" in said)
    more_come(other, seen, 2)
    page.evaluate("1")
    got, urls = len(texts), asked(page)
    page.clock.run_for(40_000)
    more_come(other, seen, 3)
    assert page.evaluate("1") == 1
    assert (len(texts), urls) == (got, [])
    page.evaluate(HIDE, False)
    await_(lambda: page.evaluate("1") == 1 and said == ["pause", "resume"])
    more_come(page, texts, 1)
    page.clock.run_for(2_000)
    live(page)
    expect(page.locator("#trouble")).to_be_hidden()
    assert (of == "event") == any("/events/" in url for url in urls)


def test_a_user_pauses_a_page_with_all_of_its_parts_and_goes_on(
    people: People, world: World, stack: Stack
) -> None:
    with Receiver() as slow:
        owed = held_up(stack, slow)
        page = people.arrives("viewer")
        texts = received(page)
        page.clock.install()
        page.goto(f"/deliveries/{owed}/")
        pause(live(page))
        state, pulse = page.locator("#delivery-live .state").first, page.locator("#pulse")
        urls, at = asked(page), pulse.get_attribute("data-v") or ""
        slow.release()
        await_(lambda: stack.api("GET", f"/deliveries/{owed}")["state"] == "delivered")
        more_come(page, texts, 3)
        page.clock.run_for(40_000)
        assert page.evaluate("1") == 1
        assert urls == []
        expect(state).to_contain_text("in flight")
        expect(pulse).to_have_attribute("data-v", at)
        page.keyboard.press("p")
        expect(state).to_contain_text("delivered")
        page.clock.run_for(2_000)
        expect(pulse).not_to_have_attribute("data-v", at)
        live(page)


def pause(page: Page) -> None:
    """Once it asks for nothing any more: a page that opens reads itself once again."""
    page.clock.run_for(2_000)
    page.locator("#live").click()
    expect(page.locator("#live-words")).to_contain_text("Paused at")
    page.clock.run_for(1_000)
    page.wait_for_load_state("networkidle")


def test_text_that_is_selected_in_a_part_outlasts_its_news(
    people: People, world: World, stack: Stack
) -> None:
    with Receiver() as slow:
        owed = held_up(stack, slow)
        page = people.arrives("viewer")
        texts = received(page)
        page.goto(f"/deliveries/{owed}/")
        live(page)
        state = page.locator("#delivery-live .kv .state").first
        expect(state).to_contain_text("in flight")
        page.evaluate(
            "getSelection().selectAllChildren(document.querySelector('#delivery-live .kv .state'))"
        )
        slow.release()
        await_(lambda: stack.api("GET", f"/deliveries/{owed}")["state"] == "delivered")
        more_come(page, texts, 3)
        expect(state).to_contain_text("in flight")
        assert "in flight" in page.evaluate("getSelection().toString()")
        page.evaluate("getSelection().removeAllRanges()")
        expect(state).to_contain_text("delivered")


def breakers(version: int, *names: str, more: int = 0) -> str:
    """A frame with these open breakers in the list, and some that it has no room for."""
    listed = "".join(f'<li id="breaker-{name}"><a>{name}</a></li>' for name in names)
    ids = " ".join([*names, *(f"hidden{n}" for n in range(more))])
    return (
        f'<section id="ov-breakers" data-v="{9 * 10**14 + version}" hx-swap-oob="morph" '
        f'data-count="{len(names) + more}" data-ids="{ids}"><ul>{listed}</ul></section>'
    )


def test_breakers_are_told_together_and_one_that_only_left_the_list_is_not_told(
    people: People, world: World
) -> None:
    page = people.arrives("viewer")
    server: list[WebSocketRoute] = []
    page.route_web_socket(re.compile("/ws/console/"), lambda ws: pass_on(ws, server))
    page.clock.install()
    page.goto("/")
    live(page)
    said = page.locator("#said")
    server[0].send(breakers(1))
    expect(page.locator("#ov-breakers")).to_have_attribute("data-count", "0")
    page.clock.run_for(11_000)
    page.locator("#said").evaluate("one => { one.textContent = '' }")
    server[0].send(breakers(2, "Alpha", "Beta"))
    expect(page.locator("#ov-breakers")).to_have_attribute("data-count", "2")
    page.clock.run_for(1)
    expect(said).to_have_text("2 breakers open: Alpha, Beta.")
    server[0].send(breakers(3, "Alpha", "Beta", "Gamma"))
    server[0].send(breakers(4, "Beta", "Gamma", more=2))
    server[0].send(breakers(5, "Gamma", more=2))
    expect(page.locator("#ov-breakers")).to_have_attribute("data-count", "3")
    expect(said).to_have_text("2 breakers open: Alpha, Beta.")
    page.clock.run_for(10_000)
    expect(said).to_have_text(
        "Breaker open: Gamma. 2 breakers open: 2 elsewhere. Breaker closed: Alpha. "
        "Breaker closed: Beta."
    )
