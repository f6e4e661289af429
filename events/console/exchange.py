"""One attempt as request and response, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from events.console.shown import Header, Text, curl, headers_of, text_of
from events.models import Attempt, Event, Subscription
from events.rules import cloudevents
from events.rules.cloudevents import CloudEvent

MOST = 100
"""A schedule has at most 31 attempts; late ones and retries by hand come on top."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """`request` and `response` are None for those who may not see payloads."""

    attempt: Attempt
    url: str
    request_headers: Sequence[Header]
    response_headers: Sequence[Header]
    request: Text | None
    response: Text | None
    curl: str | None
    wait_ms: float | None
    read_ms: float | None


def attempts_of(delivery: UUID, number: str | None) -> tuple[Sequence[Attempt], Attempt | None]:
    """The attempts without their bodies, and the one asked for: the last, if none is named."""
    light = Attempt.objects.of_delivery(delivery).defer("request_headers", "response_headers")
    rows = list(light.defer("request_headers", "response_headers", "response_body")[:MOST])
    if not rows:
        return [], None
    wanted = next((row for row in rows if str(row.number) == number), rows[-1])
    return rows, Attempt.objects.filter(id=wanted.id).first()


def exchange_of(
    attempt: Attempt, event: Event | None, to: Subscription | None, *, values: bool
) -> Exchange:
    """`values` is whether header values and bodies may be seen."""
    url = to.url if to else ""
    sent = headers_of(attempt.request_headers, values=values)
    body = body_of(event, to) if event and to else None
    answered = _content_type(attempt.response_headers)
    return Exchange(
        attempt=attempt,
        url=url,
        request_headers=sent,
        response_headers=headers_of(attempt.response_headers, values=values),
        request=text_of(body, _content_type(attempt.request_headers))
        if values and body is not None
        else None,
        response=text_of(attempt.response_body, answered)
        if values and attempt.response_body is not None
        else None,
        curl=curl(url, sent, body) if values and body is not None else None,
        wait_ms=_between(attempt.dns_ms, attempt.first_byte_ms),
        read_ms=_between(attempt.first_byte_ms, attempt.total_ms),
    )


def body_of(event: Event, to: Subscription) -> bytes:
    """The body as a receiver gets it, in the format that the subscription has now."""
    if to.format != "structured":
        return bytes(event.data)
    return cloudevents.structured(
        CloudEvent(
            id=event.cloudevents_id,
            source=event.source,
            type=event.type,
            subject=event.subject,
            time=event.time,
            datacontenttype=event.datacontenttype,
            dataschema=event.dataschema,
            data=bytes(event.data),
            extensions=event.extensions,
        )
    )


def _content_type(headers: Sequence[Sequence[str]] | None) -> str | None:
    return next((v for name, v in headers or () if name.lower() == "content-type"), None)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
