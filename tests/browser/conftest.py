"""One stack and one Chromium for all tests of this folder, and pages that fail on any complaint.

They end with the last test of this folder: the loop under Playwright must not run where other
tests start one of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from playwright.sync_api import Browser, StorageState, sync_playwright

from bench.stack import Stack
from tests.browser.people import PASSWORD, ROLES, Crowd, People, launch
from tests.browser.world import World, make_world
from tests.receiver import Receiver


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """What `make up` starts, with one worker process."""
    with TemporaryDirectory(prefix="redrive-browser-") as folder:
        extra = {"REDRIVE_ADMIN_PASSWORD": PASSWORD}
        with Stack(Path(folder), workers=1, extra=extra) as found:
            yield found


@pytest.fixture(scope="package")
def endpoint() -> Iterator[Receiver]:
    """The receiver that the world's subscriptions point to."""
    with Receiver() as found:
        yield found


@pytest.fixture(scope="package")
def world(stack: Stack, endpoint: Receiver) -> World:
    """Something to see on every page; tests that change things make their own."""
    return make_world(stack, endpoint)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(stack: Stack, chromium: Browser) -> dict[str, StorageState]:
    """The cookies of a viewer, an operator and an admin, made on the console's own pages."""
    with Crowd(chromium, stack.url, {}) as crowd:
        page = crowd.arrives("")
        crowd.signs_in(page, "admin", PASSWORD)
        found = {"admin": page.context.storage_state()}
        for role in ROLES:
            password = crowd.adds(page, f"a-{role}", role)
            theirs = crowd.arrives("")
            crowd.signs_in(theirs, f"a-{role}", password)
            found[role] = theirs.context.storage_state()
    return found


@pytest.fixture
def people(stack: Stack, chromium: Browser, signed_in: dict[str, StorageState]) -> Iterator[People]:
    """Browsers of a viewer, an operator and an admin; what they complain of fails the test."""
    with Crowd(chromium, stack.url, signed_in) as crowd:
        yield crowd
