"""What breaks under the console, and how it says so. Last: these break the stack of all tests."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import redis
from playwright.sync_api import WebSocketRoute, expect

from bench.stack import Stack
from drills.processes import role_of
from tests.browser.people import People
from tests.browser.test_live import frames, live, stat, title_of
from tests.browser.world import World, publish


def processes(stack: Stack, role: str) -> list[psutil.Process]:
    """Those of a role, with all below them."""
    found = psutil.Process(stack.pid).children(recursive=True)
    heads = [one for one in found if role_of(one) == role]
    return [each for one in heads for each in (one, *one.children(recursive=True))]


@contextmanager
def frozen(stack: Stack, role: str) -> Iterator[None]:
    """Every process of a role stands still meanwhile."""
    found = processes(stack, role)
    for one in found:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in found:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGCONT)


def test_a_socket_that_is_cut_off_is_replaced_by_polling_and_back(
    people: People, world: World, stack: Stack
) -> None:
    page = people.arrives("viewer")
    doors: list[bool] = [True]
    page.route_web_socket(re.compile("/ws/console/"), lambda ws: close_or_pass(ws, doors))
    people.expects("WebSocket|htmx:wsError")
    page.goto("/")
    expect(page.locator("#trouble")).to_contain_text("asks again every 5 s")
    expect(page.locator("#live-words")).to_have_text("Asking every 5 s")
    accepted = stat(page, "accepted")
    before = title_of(accepted)
    publish(stack, "order.paid")
    expect(accepted).not_to_have_attribute("title", before)
    doors[0] = False
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=30_000)
    expect(page.locator("#trouble")).to_be_hidden()


def close_or_pass(page_side: WebSocketRoute, shut: list[bool]) -> None:
    if shut[0]:
        page_side.close(code=1012)
    else:
        page_side.connect_to_server()


def test_a_frozen_dispatcher_shows_as_old_numbers(
    people: People, world: World, stack: Stack
) -> None:
    page = live(people.arrives("viewer", "/"))
    frames(page, 1)
    with frozen(stack, "dispatcher"):
        expect(page.locator("#live-words")).to_contain_text(
            re.compile("Live data is [3-5] s old"), timeout=8_000
        )
        expect(page.locator("html")).to_have_attribute("data-stale", "")
    live(page)


def test_redis_is_flushed_and_nobody_notices_then_stops_and_polling_carries(
    people: People, world: World, stack: Stack
) -> None:
    page = live(people.arrives("viewer", "/"))
    redis.Redis.from_url(stack.settings["REDIS_URL"]).flushall()
    frames(page, 2)
    live(page)
    with frozen(stack, "redis"):
        expect(page.locator("#live-words")).to_have_text("Asking every 5 s", timeout=30_000)
        accepted = stat(page, "accepted")
        before = title_of(accepted)
        publish(stack, "order.paid")
        expect(accepted).not_to_have_attribute("title", before, timeout=30_000)
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=30_000)


def test_redis_is_killed_and_comes_back_without_a_reload(
    people: People, world: World, stack: Stack
) -> None:
    page = live(people.arrives("viewer", "/"))
    page.evaluate("window.here = true")
    for one in processes(stack, "redis"):
        one.kill()
    publish(stack, "order.paid")
    accepted = stat(page, "accepted")
    before = title_of(accepted)
    publish(stack, "order.paid")
    expect(accepted).not_to_have_attribute("title", before, timeout=30_000)
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=60_000)
    assert page.evaluate("window.here")


def test_the_web_process_is_killed_and_the_page_says_so_then_recovers_by_itself(
    people: People, world: World, stack: Stack
) -> None:
    people.expects(r"WebSocket|ERR_|\[object Event\]|htmx:sendError")
    page = live(people.arrives("viewer", "/"))
    page.evaluate("window.here = true")
    # One that is restarted at once would be back before anybody is told.
    with frozen(stack, "web"):
        expect(page.locator("#trouble")).to_contain_text("asks again every 5 s")
        expect(page.locator("#poller")).to_have_count(1)
        for one in processes(stack, "web"):
            one.kill()
    expect(page.locator("#live")).not_to_have_attribute("data-state", "live")
    expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=60_000)
    frames(page, 1)
    assert page.evaluate("window.here")
    expect(page.locator("#trouble")).to_be_hidden()
