"""Admitting a draft: the checks that every form of publish shares, and who may publish what."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import quote
from uuid import UUID

import msgspec

from events.keys import Caller
from events.models.event import Priority
from events.problems import Code, Problem
from events.publish import Identity, NewEvent
from events.rules import cloudevents
from events.uuids import new_uuid

MAX_TEXT = 1_024
"""Bytes of UTF-8 in an attribute: an index entry of Postgres holds 2,700."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_PRIORITIES = {label: value for value, label in Priority.choices}


@dataclass(frozen=True, slots=True)
class Draft:
    """An event as one form of publish spelled it, unchecked; `data` are the exact bytes."""

    type: str
    data: bytes
    source: str | None = None
    id: str | None = None
    subject: str | None = None
    time: str | None = None
    tenant: str | None = None
    ordering_key: str | None = None
    priority: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    traceparent: str | None = None
    extensions: dict[str, str | int | bool] = field(default_factory=dict)
    extensions_at: str = "/extensions/"


_TEXTS = (
    "type",
    "source",
    "id",
    "subject",
    "time",
    "tenant",
    "ordering_key",
    "datacontenttype",
    "dataschema",
)


def admit(draft: Draft, caller: Caller) -> NewEvent | Problem:
    """The event to publish for this caller, or the first thing that is wrong with it."""
    tenant = draft.tenant if caller.tenant is None else caller.tenant
    if draft.tenant not in (None, tenant):
        return Problem(
            Code.FORBIDDEN, f"This key publishes for tenant {tenant} only.", pointer="/tenant"
        )
    problem = _text_problem(draft) or _extension_problem(draft)
    if problem is not None:
        return problem
    if draft.priority is not None and draft.priority not in _PRIORITIES:
        return Problem(Code.INVALID_FIELD, "priority is high, normal or low.", pointer="/priority")
    source = draft.source or f"/producers/{quote(caller.name)}"
    return NewEvent(
        id=new_uuid(),
        type=draft.type,
        source=source,
        data=draft.data,
        identity=producer_identity(draft, tenant, source) if draft.id else None,
        subject=draft.subject,
        time=draft.time,
        tenant=tenant,
        ordering_key=draft.ordering_key,
        priority=_PRIORITIES[draft.priority or "normal"],
        datacontenttype=draft.datacontenttype,
        dataschema=draft.dataschema,
        extensions=draft.extensions,
        traceparent=_traceparent(draft.traceparent),
        producer=caller.id,
        producer_event_id=draft.id,
    )


def producer_identity(draft: Draft, tenant: str | None, source: str) -> Identity:
    """The identity of an event whose producer gave it an id: unique within tenant and source."""
    return Identity(_digest("id", tenant, source, draft.id), content_of(draft))


def key_identity(caller: Caller, key: str, part: int | None, content: UUID) -> Identity:
    """The identity of a request with an Idempotency-Key, or of one `part` of its batch."""
    return Identity(_digest("key", str(caller.id), key, part), content)


def content_of(draft: Draft) -> UUID:
    """What two publishes of one identity must share to be the same event."""
    named = (draft.type, draft.source, draft.id, draft.subject, draft.time, draft.tenant)
    rest = (draft.ordering_key, draft.priority, draft.datacontenttype, draft.dataschema)
    return _digest(named, rest, sorted(draft.extensions.items()), draft.data)


def content_of_bytes(body: bytes) -> UUID:
    """The content of a whole request."""
    return _digest(body)


def _digest(*parts: object) -> UUID:
    packed = msgspec.msgpack.encode(parts)
    return UUID(bytes=hashlib.blake2b(packed, digest_size=16).digest())


def _text_problem(draft: Draft) -> Problem | None:
    for name in _TEXTS:
        value = getattr(draft, name)
        if value is None:
            continue
        if (wrong := cloudevents.check_text(value)) is not None:
            return Problem(Code.INVALID_TEXT, f"{name}: {wrong}", pointer=f"/{name}")
        if (wrong := cloudevents.check_attribute(name, value)) is not None:
            return Problem(Code.INVALID_FIELD, wrong, pointer=f"/{name}")
        if len(value) > MAX_TEXT // 4 and len(value.encode()) > MAX_TEXT:
            detail = f"{name} has at most {MAX_TEXT} bytes."
            return Problem(Code.INVALID_FIELD, detail, pointer=f"/{name}")
    return None


def _extension_problem(draft: Draft) -> Problem | None:
    for name, value in draft.extensions.items():
        if (wrong := cloudevents.check_extension(name, value)) is not None:
            named = cloudevents.check_extension_name(name) is None
            code = Code.INVALID_TEXT if named and isinstance(value, str) else Code.INVALID_FIELD
            pointer = draft.extensions_at + name.replace("~", "~0").replace("/", "~1")
            return Problem(code, wrong, pointer=pointer)
    return None


def _traceparent(value: str | None) -> str | None:
    """A malformed trace context is started anew, never refused (W3C Trace Context, 3.2)."""
    return value if value is not None and _TRACEPARENT.fullmatch(value) else None
