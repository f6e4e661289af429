"""API keys: `rdk_`, eight characters that find the key, and a secret of which we keep a digest."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import time
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from events import statements
from events.models import ApiKey
from events.uuids import new_uuid

KEY = re.compile(r"rdk_([a-z0-9]{8})_([A-Za-z0-9_-]{32,128})")
KNOWN_FOR = 5.0
"""Seconds that a key is trusted without asking Postgres: how long a revoked one may still work."""
KNOWN_KEYS = 10_000

# One statement keeps the habit right though many web processes look the key up at once; it runs
# when a key is looked up, every few seconds at most, and never for each publish.
USED = """
UPDATE events_apikey SET
    last_used_at = now(),
    gaps = gaps + (%(publishing)s::bool AND last_published_at IS NOT NULL)::int,
    usual_gap = CASE WHEN %(publishing)s::bool AND last_published_at IS NOT NULL
        THEN coalesce(usual_gap * 0.9 + (now() - last_published_at) * 0.1,
                      now() - last_published_at)
        ELSE usual_gap END,
    last_published_at = CASE WHEN %(publishing)s::bool THEN now() ELSE last_published_at END,
    refused = refused + %(refused)s,
    last_refused_at = CASE WHEN %(refused)s > 0 THEN now() ELSE last_refused_at END,
    last_refusal = CASE WHEN %(refused)s > 0 THEN %(refusal)s ELSE last_refusal END
WHERE id = %(id)s
"""

_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: `tenant` None sees every tenant."""

    id: UUID
    name: str
    scopes: frozenset[str]
    tenant: str | None

    @property
    def actor(self) -> str:
        """How the audit log names this caller."""
        return f"key:{self.name}"


def new_key() -> str:
    """A key's text; it is shown once and never stored."""
    lookup = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return f"rdk_{lookup}_{secrets.token_urlsafe(32)}"


def digest(key: str) -> bytes:
    """A fast digest is right for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(key.encode()).digest()


def create_key(*, text: str, name: str, scopes: list[str], tenant: str | None) -> ApiKey:
    """Stores a key made by `new_key`. Raises ValueError if the text is not of that form."""
    found = KEY.fullmatch(text)
    if found is None:
        raise ValueError(
            "an API key is rdk_, eight letters or digits, _ and at least 32 more characters"
        )
    return ApiKey.objects.create(
        id=new_uuid(),
        lookup=found[1],
        digest=digest(text),
        name=name,
        scopes=scopes,
        tenant=tenant,
    )


class Keyring:
    """The keys that were good a moment ago, so that a busy producer costs no query a request."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[float, Caller, bool]] = OrderedDict()
        self._refused: dict[UUID, tuple[int, str]] = {}

    def remembered(self, header: str | None, *, publishing: bool = False) -> Caller | None:
        """The caller of an Authorization header, if it was found good within KNOWN_FOR.

        A publish needs a key that was noted as publishing: its last publish is not missed then.
        """
        text = _bearer(header)
        known = self._known.get(digest(text)) if text else None
        if known is None or time.monotonic() - known[0] >= KNOWN_FOR:
            return None
        return known[1] if known[2] or not publishing else None

    def refused(self, caller: Caller, code: str) -> None:
        """Counts what a producer was refused; kept when its key is looked up the next time."""
        count, _ = self._refused.get(caller.id, (0, ""))
        self._refused[caller.id] = (count + 1, code)

    def check(self, header: str | None, *, publishing: bool = False) -> Caller | None:
        """The caller of an Authorization header, asking Postgres; None if there is no such key.

        That a key is used, and to publish, is noted here.
        """
        text = _bearer(header)
        found = KEY.fullmatch(text or "")
        if text is None or found is None:
            return None
        row = ApiKey.objects.usable(timezone.now()).filter(lookup=found[1]).first()
        presented = digest(text)
        if row is None or not secrets.compare_digest(bytes(row.digest), presented):
            return None
        refused, refusal = self._refused.pop(row.pk, (0, ""))
        values = {"id": row.pk, "publishing": publishing, "refused": refused, "refusal": refusal}
        statements.rows(USED, values)
        caller = Caller(row.id, row.name, frozenset(row.scopes), row.tenant)
        self._known[presented] = (time.monotonic(), caller, publishing)
        self._known.move_to_end(presented)
        while len(self._known) > KNOWN_KEYS:
            self._known.popitem(last=False)
        return caller


def _bearer(header: str | None) -> str | None:
    kind, _, text = (header or "").strip().partition(" ")
    return text.strip() if kind.lower() == "bearer" else None


keyring = Keyring()
"""One a process, shared by the publish lane and the rest of the API."""
