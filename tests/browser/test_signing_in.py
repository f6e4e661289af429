"""Who comes in, and who is out again."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from bench.stack import Stack
from tests.browser.people import PASSWORD, Crowd, People
from tests.browser.test_access import violations


def test_the_printed_password_signs_in_and_leads_where_one_wanted_to_go(people: People) -> None:
    page = people.arrives("", "/deliveries/?state=dead")
    expect(page).to_have_url(re.compile("/sign-in/"))
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/deliveries/\?state=dead$"))


def test_a_sixth_wrong_try_is_refused_though_the_password_is_right(
    people: People, signed_in: object
) -> None:
    password = people.adds(people.arrives("admin"), "mallory", "viewer")
    people.expects("429|403")
    page = people.arrives("")
    for word in ("wrong",) * 5 + (password,):
        page.goto("/sign-in/")
        page.get_by_label("Username").fill("mallory")
        page.get_by_label("Password").fill(word)
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many wrong passwords")
    assert violations(page) == []


@contextmanager
def newcomer(people: People, chromium: Browser, name: str, role: str) -> Iterator[Page]:
    """Somebody whom an admin has just added, signed in, in a browser of their own."""
    password = people.adds(people.arrives("admin"), name, role)
    with Crowd(chromium, people.url, {}) as crowd:
        page = crowd.arrives("")
        crowd.signs_in(page, name, password)
        yield page


def looks_at(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def is_cut_off(page: Page) -> None:
    expect(page.locator("#trouble")).to_contain_text("Signed out or role changed")
    expect(page.locator("#live-words")).to_have_text("Not live")


def test_signing_out_closes_the_sockets_of_other_tabs(people: People, chromium: Browser) -> None:
    with newcomer(people, chromium, "a-leaver", "viewer") as one:
        other = one.context.new_page()
        looks_at(other, "/events/")
        one.get_by_role("button", name="Account").click()
        one.get_by_role("button", name="Sign out").click()
        is_cut_off(other)
        link = other.locator("#trouble").get_by_role("link", name="Sign in")
        expect(link).to_have_attribute("href", "/sign-in/?next=%2Fevents%2F")


def test_a_demoted_user_is_cut_off_and_does_not_come_again(
    people: People, chromium: Browser
) -> None:
    with newcomer(people, chromium, "a-demoted", "operator") as page:
        looks_at(page, "/deliveries/")
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        admin = people.arrives("admin", "/users/")
        row = admin.get_by_role("row").filter(has_text="a-demoted")
        row.get_by_label("Role of a-demoted").select_option("viewer")
        row.get_by_role("button", name="Set").click()
        expect(admin.locator("#messages")).to_contain_text("The role is viewer now")
        is_cut_off(page)
        # Three frames later for everybody else it has not come again.
        admin.goto("/")
        seen = int(admin.locator("#pulse").get_attribute("data-v") or 0)
        later = "seen => Number(document.getElementById('pulse').dataset.v) >= seen + 3"
        admin.wait_for_function(later, arg=seen)
        assert not sockets


def test_a_socket_from_a_foreign_origin_is_refused(stack: Stack) -> None:
    answers = {}
    for origin in (stack.url, "https://evil.example"):
        wire = http.client.HTTPConnection(urlsplit(stack.url).netloc, timeout=10)
        headers = {
            "origin": origin,
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-version": "13",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        wire.request("GET", "/ws/console/", headers=headers)
        answers[origin] = wire.getresponse().status
        wire.close()
    assert answers == {stack.url: 101, "https://evil.example": 403}
