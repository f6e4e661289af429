"""Who looks at the console: browsers with the cookies of a role, watched for complaints."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    StorageState,
    WebError,
    expect,
)

SWITCHES = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
]
PASSWORD = "the admin of the browser tests"
ROLES = ("viewer", "operator")
PATIENCE = 15_000.0

# What a refused inline script, style or address says goes to the console of a page; this also
# catches what is only reported.
REPORT = """addEventListener('securitypolicyviolation', (event) =>
    console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));"""

expect.set_options(timeout=PATIENCE)


def launch(playwright: Playwright) -> Browser:
    """The system's Chromium."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return playwright.chromium.launch(executable_path=found, args=SWITCHES)


REPLACED = r"htmx:(sendAbort|afterRequest), "
"""What htmx says of a request that a newer one took the place of, or whose page was left.

One that fails says htmx:sendError or htmx:responseError as well.
"""


class Crowd:
    """Everybody's browsers. Closed at the end, which fails if one of them complained."""

    def __init__(self, browser: Browser, url: str, states: Mapping[str, StorageState]) -> None:
        self._browser = browser
        self._states = states
        self._contexts: list[BrowserContext] = []
        self._expected: list[str] = []
        self.url = url
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        unexpected = [one for one in self._heard() if not self._is_expected(one)]
        for context in self._contexts:
            context.close()
        if error is None:
            assert not unexpected, "\n".join(unexpected)

    def arrives(self, role: str, path: str = "", **options: Any) -> Page:
        """A browser of its own, signed in as `role` unless that is empty, at a path if given."""
        state = {"storage_state": self._states[role]} if role else {}
        options = {"base_url": self.url, "viewport": {"width": 1440, "height": 900}} | options
        context = self._browser.new_context(**state, **options)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(REPORT)
        context.on("console", self._hear)
        context.on("weberror", self._see)
        self._contexts.append(context)
        page = context.new_page()
        if path:
            page.goto(path)
        return page

    def expects(self, complaint: str) -> None:
        """A regular expression: this test is about something that browsers complain of."""
        self._expected.append(complaint)

    def signs_in(self, page: Page, name: str, password: str) -> None:
        page.goto("/sign-in/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")

    def adds(self, page: Page, name: str, role: str) -> str:
        """An admin adds somebody; gives the password that is shown once."""
        page.goto("/users/")
        form = page.locator("form[action='/users/new/']")
        form.get_by_label("Name", exact=True).fill(name)
        form.get_by_label("Role").select_option(role)
        form.get_by_role("button", name="Add").click()
        return page.locator("#password").inner_text()

    def _heard(self) -> list[str]:
        """What was said so far: a page that is torn down says that its parts are gone."""
        for context in self._contexts:
            for page in context.pages:
                # Its answer comes after everything that the page said before.
                page.evaluate("0")
        return list(self.complaints)

    def _is_expected(self, complaint: str) -> bool:
        return any(re.search(one, complaint) for one in (REPLACED, *self._expected))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location})")

    def _see(self, error: WebError) -> None:
        self.complaints.append(f"page error: {error.error}")


People = Crowd
