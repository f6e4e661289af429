"""For people who receive webhooks: is this request from Redrive, and has it been handled already?

One file without dependencies, to be copied into a receiver. It verifies Standard Webhooks `v1`
signatures (HMAC-SHA256) and keeps the ids of what was handled, in the transaction of the work:
together they make at-least-once deliveries into work that is done once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import Any

TOLERANCE = 300.0
"""Seconds that a request's timestamp may be off: an older one may be a recording."""

TABLE = """
CREATE TABLE IF NOT EXISTS webhook_seen (
    webhook_id text PRIMARY KEY, seen_at timestamptz NOT NULL DEFAULT now())
"""

SEEN = "INSERT INTO webhook_seen (webhook_id) VALUES (%s) ON CONFLICT DO NOTHING"


class NotVerified(Exception):
    """The request is not from the one who knows the secret, or too old; the text says which."""


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Iterable[str],
    *,
    now: float | None = None,
    tolerance: float = TOLERANCE,
) -> str:
    """Gives the webhook-id of a request that one of the secrets (`whsec_…`) has signed.

    `body` is the bytes as they came, before any parsing. While a secret is rotated, give both.
    Raises NotVerified: answer such a request with 401.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        webhook_id, moment = lower["webhook-id"], lower["webhook-timestamp"]
        signatures = lower["webhook-signature"].split()
    except KeyError as missing:
        raise NotVerified(f"the header {missing.args[0]} is missing") from None
    if not moment.isdigit() or abs((time.time() if now is None else now) - int(moment)) > tolerance:
        raise NotVerified("the timestamp is too far from now: is this clock right?")
    signed = b".".join((webhook_id.encode(), moment.encode(), body))
    given = [part.removeprefix("v1,").encode() for part in signatures if part.startswith("v1,")]
    for secret in secrets:
        expected = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
        if any(hmac.compare_digest(expected, one) for one in given):
            return webhook_id
    raise NotVerified("no signature is of these secrets: is the body as it came?")


def is_first(connection: Any, webhook_id: str) -> bool:
    """Whether this id was never handled; call it in the transaction that does the work.

    `connection` is one of psycopg, or Django's `connection`. A second request of the same id waits
    until the first one's transaction ends: after its commit this is False, after its rollback
    True. So a crash between the two repeats the work, and never loses it.
    """
    with connection.cursor() as cursor:
        cursor.execute(SEEN, (webhook_id,))
        return bool(cursor.rowcount)


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))
