"""Secrets that are planted, and the search for them in every log, every row and the pages.

Each is looked for as it is, in base64 and as PostgreSQL shows bytes. Subscriptions keep theirs
encrypted, and an API key is kept as a digest: none of the three forms may be anywhere.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from re import search
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
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
            "the signing secret": _forms(self.signing),
            "the basic credentials": (
                *_forms(self.basic.partition(":")[2]),
                base64.b64encode(self.basic.encode()).decode(),
            ),
            "the bearer token": _forms(self.bearer),
            "the secret header": _forms(self.header),
            "the password": _forms(self.password),
            "the API key": _forms(self.api_key.rpartition("_")[2]),
        }


def _forms(secret: str) -> tuple[str, ...]:
    raw = secret.encode()
    return secret, base64.b64encode(raw).decode().rstrip("="), raw.hex()


def in_logs(planted: Canaries, logs: Iterable[Path]) -> Iterable[str]:
    """What stands in a log."""
    for log in logs:
        text = log.read_text(errors="replace")
        for name, forms in planted.named().items():
            if any(form in text for form in forms):
                yield f"{name} stands in {log.name}"


def in_rows(planted: Canaries, database: psycopg.Connection[Any], *, since: UUID) -> Iterable[str]:
    """What stands in a table; of the large ones, in the rows from the id `since` on."""
    named = planted.named()
    likes = [f"%{form}%" for forms in named.values() for form in forms]
    for table, key in database.execute(TABLES).fetchall():
        wanted = SQL("WHERE {} >= %(since)s").format(Identifier(key)) if key else SQL("")
        found = SQL(FOUND).format(table=Identifier(table), wanted=wanted)
        lines = database.execute(found, {"since": since, "forms": likes}).fetchall()
        for name, forms in named.items():
            if many := sum(any(form in line for form in forms) for (line,) in lines):
                yield f"{name} stands in {many} rows of {table}"


class Pages:
    """Somebody who is signed in to the console, and reads it."""

    def __init__(self, url: str, planted: Canaries) -> None:
        self._url = url
        self._planted = planted
        self._browser = build_opener(HTTPCookieProcessor(CookieJar()))
        self._sign_in()

    def leaks(self, more: Iterable[str], *, turn: int) -> Iterable[str]:
        """What stands in the pages whose turn it is, or in those that are named."""
        for path in (*PAGES[turn % TURNS :: TURNS], *more):
            text = self._read(path)
            for name, forms in self._planted.named().items():
                if any(form in text for form in forms):
                    yield f"{name} stands in {path}"

    def _sign_in(self) -> None:
        form = self._read("/sign-in/")
        token = search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        given = {
            "username": "admin",
            "password": self._planted.password,
            "csrfmiddlewaretoken": token[1] if token else "",
        }
        signed_in = self._read("/sign-in/", urlencode(given).encode())
        if 'name="password"' in signed_in:
            raise RuntimeError("the drills could not sign in")

    def _read(self, path: str, form: bytes | None = None) -> str:
        request = Request(f"{self._url}{path}", data=form)  # noqa: S310
        request.add_header("referer", f"{self._url}{path}")
        if path.startswith("/api/"):
            request.add_header("authorization", f"Bearer {self._planted.api_key}")
        try:
            with self._browser.open(request, timeout=30) as answer:
                return str(answer.read().decode(errors="replace"))
        except HTTPError as error:
            return str(error.read().decode(errors="replace"))
