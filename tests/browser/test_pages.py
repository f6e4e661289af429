"""Every page: it opens, it is quiet, it shows what the role may see and no more.

For an admin test_access.py opens them.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from bench.stack import Stack
from tests.browser.people import People
from tests.browser.test_live import kind
from tests.browser.world import World, await_, dead_letters, publish, subscribe
from tests.receiver import MARKUP, Receiver

ACTIONS = "main form[method=post]:not(.views form)"
"""A view is one's own: everybody may save one."""


def open_page(page: Page, path: str, status: int = 200) -> None:
    answer = page.goto(path, wait_until="load")
    assert answer is not None
    assert answer.status == status, f"{path}: {answer.status}"
    expect(page.locator("h1")).to_be_visible()


def test_every_page_opens_for_an_operator_without_a_complaint(people: People, world: World) -> None:
    page = people.arrives("operator")
    for path in [*world.pages, *world.operator_pages]:
        open_page(page, path)


def test_a_viewer_opens_every_page_and_sees_no_action(people: People, world: World) -> None:
    page = people.arrives("viewer")
    for path in world.pages:
        open_page(page, path)
        assert page.locator(ACTIONS).count() == 0, path
        assert page.locator("main a.button.primary").count() == 0, path


def test_a_viewer_is_refused_what_it_may_not_do(people: People, world: World) -> None:
    page = people.arrives("viewer", "/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value")
    for path in (
        f"/subscriptions/{world.good}/pause/",
        f"/subscriptions/{world.good}/rotate/",
        f"/deliveries/{world.delivery}/retry/",
        f"/dead-letters/{world.dead}/discard/",
        "/replays/new/",
        "/keys/new/",
        "/users/new/",
    ):
        origin = {"csrfmiddlewaretoken": token or ""}
        answer = page.request.post(path, form=origin, headers={"referer": people.url})
        assert answer.status == 403, path
    assert "Your role does not allow this" in answer.text()
    people.expects("403")
    page.goto("/users/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")


def test_a_script_in_a_payload_or_a_name_shows_as_text(people: People, world: World) -> None:
    page = people.arrives("operator")
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    for path in (
        f"/events/{world.nasty_event}/",
        f"/subscriptions/{world.nasty}/",
        "/events/?type=nasty.**",
        "/subscriptions/?q=script",
        f"/audit/?target={world.nasty}",
    ):
        page.goto(path)
        assert page.locator("main img, main script").count() == 0, path
        expect(page.get_by_text("<script>alert(1)</script>").first).to_be_attached()
    page.goto(f"/events/{world.nasty_event}/")
    expect(page.locator("#payload")).to_contain_text("<img src=x onerror=alert(1)>")
    page.goto("/search/?q=" + "%3Cscript%3Ealert(1)%3C/script%3E")
    expect(page.locator("#found")).to_contain_text("<script>alert(1)</script>")


HOSTILE = [
    "</pre></code><svg onload=alert(1)>",
    "'\"><iframe src=javascript:alert(1)></iframe>",
    "{{ 7*7 }}{% debug %}",
    "<template><p hx-get=/sign-out/ hx-trigger=load></template>",
]


def test_markup_in_an_answer_its_headers_and_its_payload_shows_as_text(
    people: People, world: World, stack: Stack, endpoint: Receiver
) -> None:
    of = kind()
    to = subscribe(stack, endpoint.url("/markup"), of, schedule=[], name=HOSTILE[0])
    event = publish(stack, of, subject=HOSTILE[1], data={text: text for text in HOSTILE})
    await_(lambda: bool(dead_letters(stack, to)))
    dead = dead_letters(stack, to)[0]
    page = people.arrives("operator")
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    for path in (f"/deliveries/{dead['delivery']}/", f"/dead-letters/groups/{dead['group']}/"):
        page.goto(path)
        expect(page.locator("main")).to_contain_text(MARKUP)
        assert page.locator("main :is(img, script, iframe, svg[onload])").count() == 0, path
    page.goto(f"/deliveries/{dead['delivery']}/")
    expect(page.locator("dl.headers", has_text="x-markup")).to_contain_text(MARKUP)
    page.goto(f"/events/{event}/")
    for text in (HOSTILE[0], HOSTILE[2], HOSTILE[3]):
        expect(page.locator("#payload")).to_contain_text(text)
    assert page.locator("main :is(img, script, iframe, svg[onload], p[hx-get])").count() == 0


def test_the_why_page_names_the_rule_that_failed(people: People, world: World) -> None:
    page = people.arrives("viewer", f"/events/{world.event}/")
    row = page.locator("tr", has_text="Shop: large")
    expect(row).to_contain_text("Filter")
    expect(row).to_contain_text("data.total > 100")


def test_the_overview_links_only_to_pages_that_open(people: People, world: World) -> None:
    page = people.arrives("admin", "/")
    found = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    here = {link.split("#")[0] for link in found if link.startswith(people.url)}
    for link in sorted(here):
        answer = page.request.get(urljoin(people.url, link))
        assert answer.status == 200, f"{link}: {answer.status}"


def test_pausing_is_undone_with_one_click(people: People, world: World, stack: Stack) -> None:
    page = people.arrives("operator", f"/subscriptions/{world.nasty}/")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#messages")).to_contain_text("Resumed")
    assert stack.api("GET", f"/subscriptions/{world.nasty}")["state"] == "active"
    expect(page).to_have_title(re.compile("^active"))
