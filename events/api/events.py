"""Events over REST: search, read, and the life of one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import msgspec
from django.db.models import QuerySet
from ninja import Query, Router
from pydantic import BaseModel, Field

from events.api.callers import READ, ApiKey, Request
from events.api.inputs import EventId, Moment, Pattern, Text
from events.api.pages import Page, Paging, cursor_of, equal, place_of, rows_of
from events.api.publishing import OPERATION
from events.api.refusals import Refused
from events.api.timelines import TimelineShown
from events.models import Event, Poison
from events.models.access import Scope
from events.models.event import Priority
from events.models.typed import typed
from events.problems import Code, Problem
from events.rules.cloudevents import is_json_type
from events.searching import Asked, Found, search
from events.timeline import timeline

router = Router(tags=["events"])


class EventShown(BaseModel):
    """An event without its data; `time` is spelled as its producer spelled it."""

    id: EventId
    source: str
    type: str
    subject: str | None
    time: str | None
    tenant: str | None
    ordering_key: str | None
    priority: str
    datacontenttype: str | None
    dataschema: str | None
    extensions: dict[str, str | int | bool]
    traceparent: str | None
    producer: UUID | None = Field(description="The id of the API key that published it.")
    producer_event_id: str | None = Field(description="The id that the producer gave it.")
    received_at: datetime
    deliveries: int = Field(description="How many subscriptions matched when it was accepted.")

    @classmethod
    def of(cls, row: Event) -> Self:
        return cls(**_plain(row))


class PoisonShown(BaseModel):
    """Enough endpoints, or attempts, were answered that the event's content is at fault."""

    endpoints: int
    attempts: int
    since: datetime


class WholeEvent(EventShown):
    """With its data: as JSON, byte for byte, if it is JSON; else as base64."""

    poison: PoisonShown | None = None
    data: Any = None
    data_base64: str | None

    @classmethod
    def of(cls, row: Event) -> Self:
        raw, plain = bytes(row.data), _plain(row) | {"poison": _poison(row.id)}
        if raw and _is_json(row.datacontenttype, raw):
            return cls(**plain, data=msgspec.Raw(raw), data_base64=None)
        return cls(**plain, data_base64=base64.b64encode(raw).decode())


class EventFilters(Paging):
    type: Pattern | None = Field(default=None, description="An event type, or a pattern of them.")
    source: Text | None = None
    tenant: Text | None = None
    q: Text | None = Field(
        default=None,
        description="Words that its data, extensions, type, source, subject or ids hold, all of "
        "them. An event is found some seconds after it was accepted.",
    )
    producer_event_id: Text | None = Field(
        default=None, description="The id that the producer gave it."
    )
    since: Moment | None = Field(default=None, description="Received at this moment or after it.")
    before: Moment | None = Field(default=None, description="Received before this moment.")


@router.post("/events", auth=ApiKey(Scope.PUBLISH), openapi_extra=OPERATION)
def publish_event(request: Request) -> None:  # noqa: ARG001 - ninja's first argument
    """One event or a batch of them, in any of four forms; 202 once it is stored."""
    # Only its description is used: config/asgi.py sends this request down the publish lane.
    raise Refused(Problem(Code.UNAVAILABLE, "Publishes are served by config.asgi only."))


@router.get("/events", auth=READ, response=Page[EventShown])
def list_events(request: Request, filters: Query[EventFilters]) -> Page[EventShown]:
    """Events, newest first."""
    found = (
        Event.objects.seen_by(request.auth.tenant)
        .received_between(filters.since, filters.before)
        .filter(typed("type", filters.type))
        .filter(equal(source=filters.source, tenant=filters.tenant))
        .filter(equal(producer_event_id=filters.producer_event_id))
    )
    light = found.defer("data", "misses")
    rows, following = (_said if filters.q else rows_of)(request, filters, light)
    return Page[EventShown](data=[EventShown.of(row) for row in rows], next_cursor=following)


@router.get("/events/{event_id}", auth=READ, response=WholeEvent)
def read_event(request: Request, event_id: EventId) -> WholeEvent:
    """One event with its data."""
    return WholeEvent.of(Event.objects.seen_by(request.auth.tenant).get(id=event_id))


@router.get("/events/{event_id}/timeline", auth=READ, response=TimelineShown)
def read_timeline(request: Request, event_id: EventId) -> TimelineShown:
    """The life of one event: who got it, every attempt, what is awaited; who did not, and why."""
    tenant = request.auth.tenant
    event = Event.objects.seen_by(tenant).get(id=event_id)
    return TimelineShown.of(timeline(event, tenant=tenant))


def _said(
    request: Request, filters: EventFilters, found: QuerySet[Event]
) -> tuple[Sequence[Event], str | None]:
    """The page of events that say it, as rows_of gives others."""
    place = place_of(request, filters)
    asked = Asked(
        filters.q or "",
        hidden=True,
        tenant=request.auth.tenant or filters.tenant,
        before=UUID(bytes=place) if place else None,
        since=filters.since,
        until=filters.before,
    )
    hits = search(asked, most=filters.limit + 1) or Found([])
    if hits.late:
        detail = "The search was stopped after two seconds: narrow it by since and before."
        raise Refused(Problem(Code.OVERLOADED, detail, retry_after=1))
    rows = list(found.filter(pk__in=hits.events[: filters.limit]).order_by("-pk"))
    if len(hits.events) <= filters.limit:
        return rows, None
    return rows, cursor_of(request, filters, hits.events[filters.limit - 1].bytes)


def _plain(row: Event) -> dict[str, Any]:
    changed = {"priority": Priority(row.priority).label, "deliveries": row.matched}
    same = EventShown.model_fields.keys() - changed.keys()
    return {name: getattr(row, name) for name in same} | changed


def _poison(event: UUID) -> PoisonShown | None:
    mark = Poison.objects.mark_of(event)
    if mark is None or mark.marked_at is None:
        return None
    return PoisonShown(
        endpoints=len(mark.subscriptions), attempts=mark.attempts, since=mark.marked_at
    )


def _is_json(content_type: str | None, raw: bytes) -> bool:
    if not is_json_type(content_type):
        return False
    try:
        msgspec.json.decode(raw)
        raw.decode()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True
