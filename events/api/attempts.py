"""Attempts, as deliveries and timelines show them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from events.api.inputs import AttemptId, DeliveryId
from events.models import Attempt


class AttemptShown(BaseModel):
    """One try at a delivery; durations are milliseconds."""

    id: AttemptId
    number: int
    started_at: datetime
    dns_ms: float | None
    first_byte_ms: float | None
    total_ms: float
    outcome: str = Field(description="responded, unreachable, timed_out or blocked.")
    status: int | None
    error: str
    verdict: str
    late: bool = Field(description="Its worker's lease had passed on: the verdict did not count.")

    @classmethod
    def of(cls, row: Attempt) -> Self:
        return cls(**_plain(row))


class Header(BaseModel):
    name: str
    value: str


class WholeAttempt(AttemptShown):
    """With what went over the wire; the body is text, or base64 where it is no UTF-8."""

    delivery: DeliveryId
    address: str
    worker: str
    request_headers: list[Header]
    response_headers: list[Header] | None
    response_body: str | None = Field(description="At most the first 16 KB.")
    response_body_base64: str | None

    @classmethod
    def of(cls, row: Attempt) -> Self:
        text, encoded = _readable(row.response_body)
        answered = row.response_headers is not None
        return cls(
            **_plain(row),
            delivery=row.delivery,
            address=row.address,
            worker=row.worker,
            request_headers=_headers(row.request_headers),
            response_headers=_headers(row.response_headers) if answered else None,
            response_body=text,
            response_body_base64=encoded,
        )


def _plain(row: Attempt) -> dict[str, Any]:
    return {name: getattr(row, name) for name in AttemptShown.model_fields}


def _headers(kept: Iterable[Sequence[str]] | None) -> list[Header]:
    return [Header(name=name, value=value) for name, value in kept or ()]


def _readable(body: bytes | memoryview | None) -> tuple[str | None, str | None]:
    if body is None:
        return None, None
    raw = bytes(body)
    try:
        return raw.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(raw).decode()
