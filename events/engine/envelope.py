"""The request that carries a delivery: CloudEvents in binary or structured mode, signed."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from uuid import UUID

from events.engine.claim import Claim
from events.engine.destinations import Destination
from events.engine.transport import Request
from events.rules import cloudevents, ids, signing
from events.rules.cloudevents import STRUCTURED_TYPE, CloudEvent
from events.rules.ids import Prefix

CONNECT_TIMEOUT = 5.0

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")


def wrap(
    claim: Claim, event: CloudEvent, to: Destination, *, attempt: UUID, timestamp: int
) -> Request:
    """The signed request of one attempt; `timestamp` is Unix seconds of now.

    `webhook-id` and the body are the same on every attempt, the signature and the trace's span
    are this attempt's own.
    """
    if to.structured:
        headers, body = [("content-type", STRUCTURED_TYPE)], cloudevents.structured(event)
    else:
        headers, body = cloudevents.binary_headers(event), event.data
    webhook_id = ids.encode(Prefix.DELIVERY, claim.webhook_id)
    signature = signing.signature_header(
        to.keys, webhook_id=webhook_id, timestamp=timestamp, body=body
    )
    headers += [
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", signature),
        ("traceparent", _trace(claim, attempt)),
        *_authorization(to),
        *to.headers,
    ]
    return Request(to.url, headers, body, to.timeout, min(CONNECT_TIMEOUT, to.timeout))


def _trace(claim: Claim, attempt: UUID) -> str:
    """This hop of the producer's trace; without a usable one the event's id starts it."""
    known = _TRACEPARENT.fullmatch(claim.traceparent or "")
    trace, flags = (known[1], known[2]) if known else (claim.event_id.hex, "01")
    return f"00-{trace}-{attempt.hex[16:]}-{flags}"


def _authorization(to: Destination) -> list[tuple[str, str]]:
    match to.authentication:
        case "basic":
            token = base64.b64encode(to.credentials.encode()).decode()
            return [("authorization", f"Basic {token}")]
        case "bearer":
            return [("authorization", f"Bearer {to.credentials}")]
        case _:
            return []


def shown(request: Request, to: Destination) -> Sequence[tuple[str, str]]:
    """The headers as an attempt keeps them: without the values that may hold a credential."""
    if to.authentication == "none" and not to.headers:
        return request.headers
    hidden = {"authorization", *(name for name, _ in to.headers)}
    return [(name, "•••" if name in hidden else value) for name, value in request.headers]
