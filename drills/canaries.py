"""Secrets that are planted, and the search for them in every log, every row and the pages.

Each is looked for as it is, in base64 and as PostgreSQL shows bytes. Subscriptions keep theirs
encrypted, and an API key is kept as a digest: none of the forms may be anywhere.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from re import search
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, Request, build_opener
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from bench.stack import KEY

PAGES = (
    *("/", "/events/", "/deliveries/", "/subscriptions/", "/dead-letters/", "/replays/", "/keys/"),
    *("/health/", "/alerts/", "/settings/", "/audit/", "/metrics", "/api/v1/subscriptions"),
)

TURNS = 3
"""Drills in which each page is read once: that takes longer than everything else."""

PATIENCE = 10.0
"""Seconds in which a page is shown once the load has ended and everything was delivered."""

# Tables that grow with the load are partitioned on an id that sorts by time: of them, only what is
# new is read.
TABLES = """
SELECT c.relname, substring(pg_get_partkeydef(c.oid) FROM '\\((\\w+)\\)') FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""

FOUND = """
SELECT line FROM (SELECT t::text AS line FROM {table} AS t {wanted}) AS r
WHERE line LIKE ANY (%(forms)s)
"""


def _random() -> str:
    return f"canary{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class Canaries:
    """One secret of each kind."""

    signing: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    basic: str = field(default_factory=lambda: f"drill:{_random()}")
    bearer: str = field(default_factory=_random)
    header: str = field(default_factory=_random)
    password: str = field(default_factory=_random)
    api_key: str = KEY

    def named(self) -> dict[str, Sequence[str]]:
        """The forms of each, under the name that a broken law calls it by."""
        return {
            "the signing secret": (*_forms(self.signing), base64.b64decode(self.signing).hex()),
            "the basic credentials": _forms(self.basic.partition(":")[2]),
            "the bearer token": _forms(self.bearer),
            "the secret header": _forms(self.header),
            "the password": _forms(self.password),
            "the API key": _forms(self.api_key.rpartition("_")[2]),
        }

    def found_in(self, text: str) -> Sequence[str]:
        """The names of those that stand in a text, in any form."""
        named = self.named().items()
        return [name for name, forms in named if any(form in text for form in forms)]


def _forms(secret: str) -> tuple[str, ...]:
    """Base64 is three of them: what stands before a secret decides where its groups begin."""
    raw = secret.encode()
    whole = (raw[skipped : len(raw) - (len(raw) - skipped) % 3] for skipped in range(3))
    return secret, raw.hex(), *(base64.b64encode(groups).decode() for groups in whole)


def in_logs(planted: Canaries, logs: Iterable[Path]) -> Iterable[str]:
    """What stands in a log."""
    for log in logs:
        for name in planted.found_in(log.read_text(errors="replace")):
            yield f"{name} stands in {log.name}"


def in_rows(planted: Canaries, database: psycopg.Connection[Any], *, since: UUID) -> Iterable[str]:
    """What stands in a table; of the large ones, in the rows from the id `since` on."""
    likes = [f"%{form}%" for forms in planted.named().values() for form in forms]
    for table, key in database.execute(TABLES).fetchall():
        wanted = SQL("WHERE {} >= %(since)s").format(Identifier(key)) if key else SQL("")
        found = SQL(FOUND).format(table=Identifier(table), wanted=wanted)
        lines = database.execute(found, {"since": since, "forms": likes}).fetchall()
        rows = Counter(name for (line,) in lines for name in planted.found_in(line))
        for name, many in rows.items():
            yield f"{name} stands in {many} rows of {table}"


class Shown(NamedTuple):
    """What a browser ended up with, and where."""

    status: int
    url: str
    text: str


class Pages:
    """Somebody who is signed in to the console, and reads it."""

    def __init__(self, url: str, planted: Canaries, *, patience: float = PATIENCE) -> None:
        self._url = url
        self._planted = planted
        self._patience = patience
        self._browser = build_opener(HTTPCookieProcessor(CookieJar()))
        self._sign_in()

    def leaks(self, more: Iterable[str], *, turn: int) -> Iterable[str]:
        """What stands in the pages whose turn it is, or in those that are named.

        A page that is not shown is named, too: nobody knows what stands in it.
        """
        for path in (*PAGES[turn % TURNS :: TURNS], *more):
            shown = self._wait_for(path)
            if not self._is(shown, path):
                yield f"{path} was not shown, but {shown.status} at {urlsplit(shown.url).path}"
            for name in self._planted.found_in(shown.text):
                yield f"{name} stands in {path}"

    def _is(self, shown: Shown, path: str) -> bool:
        return (shown.status, shown.url) == (200, f"{self._url}{path}")

    def _wait_for(self, path: str) -> Shown:
        """A fault that is over may still be felt for a moment."""
        ends = time.monotonic() + self._patience
        while not self._is(shown := self._read(path), path) and time.monotonic() < ends:
            time.sleep(0.2)
        return shown

    def _sign_in(self) -> None:
        form = self._read("/sign-in/")
        token = search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
        given = {
            "username": "admin",
            "password": self._planted.password,
            "csrfmiddlewaretoken": token[1] if token else "",
        }
        signed_in = self._read("/sign-in/", urlencode(given).encode())
        if not self._is(signed_in, "/"):
            raise RuntimeError("the drills could not sign in")

    def _read(self, path: str, form: bytes | None = None) -> Shown:
        request = Request(f"{self._url}{path}", data=form)  # noqa: S310
        request.add_header("referer", f"{self._url}{path}")
        if path.startswith("/api/"):
            request.add_header("authorization", f"Bearer {self._planted.api_key}")
        try:
            answer = self._browser.open(request, timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            return Shown(answer.status, answer.url, answer.read().decode(errors="replace"))
