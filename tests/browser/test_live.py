"""What is live stays true, and takes nothing from the one who looks."""

from __future__ import annotations

import re
import time
from uuid import uuid4

from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.world import World, await_, publish, publish_many, subscribe
from tests.receiver import Receiver

WITHIN_2_S = 2_000.0
STORM = 60.0
"""Seconds; under load a frame comes every second or other one."""

# Frames that came after a moment; the pulse is in each of them.
NEXT_FRAMES = """(many) => new Promise((done) => {
    let seen = 0;
    document.body.addEventListener('htmx:oobAfterSwap', (event) => {
        if (event.detail.target.id === 'pulse' && ++seen >= many) done(seen);
    });
})"""


def live(page: Page) -> Page:
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    return page


def frames(page: Page, many: int) -> None:
    page.evaluate(NEXT_FRAMES, many)


def received(page: Page) -> list[str]:
    """What comes over the sockets that the page opens from now on."""
    texts: list[str] = []
    page.on("websocket", lambda ws: ws.on("framereceived", lambda text: texts.append(str(text))))
    return texts


def more_come(page: Page, texts: list[str], many: int) -> None:
    """Waits until the page was sent so many messages more, whatever it does with them."""
    ends = len(texts) + many
    await_(lambda: page.evaluate("1") == 1 and len(texts) >= ends)


def stat(page: Page, word: str) -> Locator:
    """The number of one term of the ledger, exactly: it is in the title."""
    term = page.locator("#ov-ledger .stat", has=page.locator(f".label:text-is('{word}')"))
    return term.locator("[title$=deliveries]")


def title_of(found: Locator) -> str:
    return found.get_attribute("title") or ""


def kind() -> str:
    return f"test.k{uuid4().hex[:12]}"


def test_an_event_shows_on_the_overview_within_two_seconds(
    people: People, world: World, stack: Stack
) -> None:
    page = live(people.arrives("viewer", "/"))
    frames(page, 1)
    accepted = stat(page, "accepted")
    before = title_of(accepted)
    publish(stack, "order.paid")
    expect(accepted).not_to_have_attribute("title", before, timeout=WITHIN_2_S)


def test_a_breaker_opens_on_two_browsers_at_once(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of = kind()
    to = subscribe(stack, endpoint.url("/status/500"), of, name=f"Breaks {of}")
    one, two = (live(people.arrives(role, "/")) for role in ("viewer", "operator"))
    publish_many(stack, of, 60)
    for page in (one, two):
        row = page.locator("#ov-breakers li", has_text=of)
        expect(row.locator(".state")).to_contain_text("open")
    expect(one.locator("#said")).to_contain_text(f"Breaker open: Breaks {of}.")
    stack.api("DELETE", f"/subscriptions/{to}")
    expect(two.locator("#ov-breakers li", has_text=of)).to_have_count(0)


def test_selected_text_and_an_open_menu_outlast_a_frame(people: People, world: World) -> None:
    page = people.arrives("viewer")
    texts = received(page)
    page.goto("/")
    live(page)
    page.get_by_role("button", name="Account").click()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#ov-verdict h2'))")
    selected = page.evaluate("getSelection().toString()")
    before = page.locator("#pulse").get_attribute("data-v")
    more_come(page, texts, 2)
    expect(page.locator("#pulse")).to_have_attribute("data-v", before or "")
    assert page.evaluate("getSelection().toString()") == selected
    expect(page.locator("#account")).to_be_visible()
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("#pulse")).not_to_have_attribute("data-v", before or "")
    expect(page.locator("#account")).to_be_visible()


def test_nothing_is_redrawn_under_a_pointer_that_is_down(people: People, world: World) -> None:
    page = people.arrives("viewer")
    texts = received(page)
    page.goto("/")
    live(page)
    page.locator("#ov-verdict h2").hover()
    page.mouse.down()
    before = page.locator("#pulse").get_attribute("data-v")
    more_come(page, texts, 2)
    expect(page.locator("#pulse")).to_have_attribute("data-v", before or "")
    page.mouse.up()
    expect(page.locator("#pulse")).not_to_have_attribute("data-v", before or "")


def test_a_filter_that_is_being_typed_is_kept(people: People, world: World) -> None:
    page = live(people.arrives("viewer", "/events/"))
    field = page.locator("form.filters input[name=type]")
    field.press_sequentially("order.p")
    frames(page, 3)
    expect(field).to_have_value("order.p")
    expect(field).to_be_focused()
    field.press("Enter")
    expect(page).to_have_url(re.compile("type=order.p"))
    expect(page.locator("form.filters input[name=type]")).to_have_value("order.p")


def test_an_overtaken_frame_never_wins(people: People, world: World) -> None:
    page = people.arrives("viewer")
    server: list[WebSocketRoute] = []
    page.route_web_socket(re.compile("/ws/console/"), lambda ws: pass_on(ws, server))
    page.goto("/")
    live(page)
    frames(page, 1)
    html = page.locator("#ov-verdict").evaluate("one => one.outerHTML")
    old = re.sub(r'data-v="\d+"', 'data-v="1"', html).replace("</h2>", " an hour ago</h2>")
    new = old.replace('data-v="1"', 'data-v="900000000000"').replace("an hour ago", "now")
    server[0].send(old)
    server[0].send(new)
    expect(page.locator("#verdict-title")).to_contain_text("now")
    server[0].send(old)
    frames(page, 1)
    expect(page.locator("#verdict-title")).to_contain_text("now")


def pass_on(page_side: WebSocketRoute, kept: list[WebSocketRoute]) -> None:
    kept.append(page_side)
    page_side.connect_to_server()


def test_a_delivery_page_shows_its_answer_without_a_reload(
    people: People, world: World, stack: Stack
) -> None:
    of = kind()
    with Receiver() as slow:
        to = subscribe(stack, slow.url("/hold"), of)
        publish(stack, of)
        slow.wait(1)
        [owed] = stack.api("GET", f"/deliveries?subscription={to}")["data"]
        page = live(people.arrives("viewer", f"/deliveries/{owed['id']}/"))
        expect(page.locator("#delivery-live .state").first).to_contain_text("in flight")
        page.evaluate("window.here = true")
        slow.release()
        expect(page.locator("#delivery-live .state").first).to_contain_text("delivered")
        assert page.evaluate("window.here")


def test_through_a_storm_the_ledger_sums_and_focus_stays(
    people: People, world: World, stack: Stack
) -> None:
    page = people.arrives("viewer")
    texts = received(page)
    page.goto("/")
    live(page)
    page.locator("#ov-deaths a.cut").first.focus()
    page.locator("#ov-charts summary").first.evaluate("one => one.parentElement.open = true")
    page.evaluate("window.was = document.activeElement")
    ends = time.monotonic() + STORM
    while time.monotonic() < ends:
        publish_many(stack, "order.paid", 40)
        frames(page, 1)
    assert page.evaluate("document.activeElement === window.was")
    assert page.locator("#ov-charts details").first.evaluate("one => one.open")
    ledgers = [read for text in texts if (read := ledger_of(page, text))]
    assert len(ledgers) >= STORM / 4
    for accepted, *rest in ledgers:
        assert accepted == sum(rest), ledgers
    assert ledgers[-1][0] > ledgers[0][0]


READ = """(html) => {
    const template = document.createElement('template');
    template.innerHTML = html;
    const terms = template.content.querySelectorAll('#ov-ledger .term [title$=deliveries]');
    return [...terms].map((one) => Number(one.title.replace(/[^0-9]/g, '')));
}"""


def ledger_of(page: Page, frame: str) -> list[int]:
    return [] if frame.startswith("{") else list(page.evaluate(READ, frame))
