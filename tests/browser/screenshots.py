"""`make screenshots`: the main pages of the demo, into docs/img/, for the README and for eyes.

Light and dark, wide and narrow; small files, so that they can be part of every clone.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from bench.stack import free_port, wait_until_answers
from tests.browser.people import Crowd, launch
from tests.browser.world import await_

FOLDER = Path("docs/img")
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
PATIENCE = 120.0
STORY = 600.0
"""Seconds in which the demo has to deliver a thousand events: it takes about three minutes."""

FAILING = "Demo: courier (failing)"


class Demo:
    """`make demo` on a free port, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.password = secrets.token_urlsafe(15)
        self.key = f"rdk_pictures_{secrets.token_urlsafe(32)}"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {
            **os.environ,
            "REDRIVE_DATA_DIR": str(folder / "data"),
            "REDRIVE_PORT": str(port),
            "REDRIVE_ADMIN_PASSWORD": self.password,
            "REDRIVE_BOOTSTRAP_API_KEY": self.key,
        }

    @contextmanager
    def up(self) -> Iterator[Demo]:
        command = [sys.executable, "-m", "config.stack", "demo"]
        process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL)
        try:
            wait_until_answers(f"{self.url}/readyz", process)
            yield self
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def api(self, path: str) -> list[dict[str, Any]]:
        request = Request(f"{self.url}/api/v1{path}")  # noqa: S310
        request.add_header("authorization", f"Bearer {self.key}")
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return list(json.load(answer)["data"])


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix="redrive-pictures-") as folder,
        Demo(Path(folder)).up() as demo,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        await_(lambda: bool(demo.api("/dead-letters")), within=PATIENCE)
        with Crowd(browser, demo.url, {}) as crowd:
            page = crowd.arrives("")
            crowd.signs_in(page, "admin", demo.password)
            wait_for_a_story(page)
            state = page.context.storage_state()
        take(browser, demo, state)
        browser.close()


def wait_for_a_story(page: Page) -> None:
    """An open breaker, and some minutes of numbers for the charts."""
    page.locator("#ov-breakers li", has_text=FAILING).wait_for(timeout=PATIENCE * 1_000)
    thousands = re.compile(r"\d,\d{3}|k")
    page.locator("#ov-ledger .stat", has_text="delivered").filter(has_text=thousands).wait_for(
        timeout=STORY * 1_000
    )


def take(browser: Browser, demo: Demo, state: StorageState) -> None:
    for name, path in pages_of(demo).items():
        for theme, size, suffix in looks_of(name):
            # Charts and rows as they are, not half through a change of colour.
            context = browser.new_context(
                base_url=demo.url,
                storage_state=state,
                viewport=size,
                color_scheme=theme,
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.goto(path)
            page.locator("#live[data-state=live]").wait_for()
            page.screenshot(path=FOLDER / f"{name}{suffix}.png", type="png")
            context.close()


def looks_of(name: str) -> Iterator[tuple[Any, Any, str]]:
    """The theme, the size and the end of the file's name."""
    yield "light", WIDE, ""
    if name in ("overview", "event"):
        yield "dark", WIDE, "-dark"
    if name in ("overview", "dead-letters"):
        yield "dark", NARROW, "-narrow"


def pages_of(demo: Demo) -> dict[str, str]:
    [failing] = [one["id"] for one in demo.api("/subscriptions") if one["name"] == FAILING]
    letter = demo.api("/dead-letters")[0]
    return {
        "overview": "/",
        "subscriptions": "/subscriptions/",
        "subscription": f"/subscriptions/{failing}/",
        "event": f"/events/{letter['event']}/",
        "delivery": f"/deliveries/{letter['delivery']}/",
        "dead-letters": "/dead-letters/",
        "replay": "/replays/new/?source=dead_letters",
    }


if __name__ == "__main__":
    main()
