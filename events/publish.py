"""Publishing: events and the deliveries they are owed, in one transaction and one statement.

The statement reads the subscriptions' epoch in the snapshot in which it writes. Where that is not
the epoch that the matches were made with, it writes nothing, and the caller matches again: so a
subscription committed before a publish began is never missed. Identities make a repeat of a
publish meet the event that the first one made, also when both arrive at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from psycopg.types.json import Jsonb

from events import statements
from events.matching import Hits, Target, current_matcher, facts_of
from events.uuids import new_uuid

FAN_OUT_AT_ONCE = 1_000
"""Deliveries that the publish itself makes for one event; a worker expands the rest.

Ordered subscriptions are never among the rest: a later event with fewer matches would be owed
before, and sent before.
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """`key` says which publishes are the same one, `content` whether they say the same."""

    key: UUID
    content: UUID


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event as parsed at the edge. `data` is the body exactly as received."""

    id: UUID
    type: str
    source: str
    data: bytes
    identity: Identity | None = None
    subject: str | None = None
    time: str | None = None
    tenant: str | None = None
    ordering_key: str | None = None
    priority: int = 1
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: dict[str, str | int | bool] = field(default_factory=dict)
    traceparent: str | None = None
    producer: UUID | None = None
    producer_event_id: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The event is stored, and `deliveries` are owed."""

    id: UUID
    deliveries: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A publish of the same identity and content came first and made event `id`."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Conflict:
    """A publish of the same identity but other content made event `id`."""

    id: UUID


Receipt = Accepted | Duplicate | Conflict

# One statement, so that a coalesced commit is one round trip. The ORM cannot say "insert these
# where that insert kept mine". DO UPDATE is what lets RETURNING see the row that won a race; the
# order by key keeps two processes with overlapping identities from a deadlock.
PUBLISH = """
WITH epoch AS MATERIALIZED (
    SELECT value FROM events_epoch WHERE id = 1
), known AS (
    INSERT INTO events_eventidentity AS mine (key, event_id, content, expires_at)
    SELECT k.key, k.event_id, k.content, now() + %(identity_ttl)s::interval
    FROM unnest(%(identity_keys)s::uuid[], %(identity_events)s::uuid[],
                %(identity_contents)s::uuid[]) AS k(key, event_id, content)
    WHERE (SELECT value FROM epoch) = %(epoch)s
    ORDER BY k.key
    ON CONFLICT (key) DO UPDATE SET
        event_id = CASE WHEN mine.expires_at < now() THEN excluded.event_id ELSE mine.event_id END,
        content = CASE WHEN mine.expires_at < now() THEN excluded.content ELSE mine.content END,
        expires_at = CASE WHEN mine.expires_at < now() THEN excluded.expires_at
                          ELSE mine.expires_at END
    RETURNING key, event_id, content
), taken AS MATERIALIZED (
    SELECT unnest(%(identity_events)s::uuid[]) AS event_id
    EXCEPT SELECT event_id FROM known
), stored AS (
    INSERT INTO events_event (
        id, source, type, subject, time, tenant, ordering_key, priority, datacontenttype,
        dataschema, data, extensions, traceparent, producer, producer_event_id, received_at,
        matched, misses)
    SELECT e.id, e.source, e.type, e.subject, e.time, e.tenant, e.ordering_key, e.priority,
        e.datacontenttype, e.dataschema, e.data, e.extensions, e.traceparent, e.producer,
        e.producer_event_id, now(), e.matched, e.misses
    FROM unnest(
        %(id)s::uuid[], %(source)s::text[], %(type)s::text[], %(subject)s::text[],
        %(time)s::text[], %(tenant)s::text[], %(ordering_key)s::text[], %(priority)s::int2[],
        %(datacontenttype)s::text[], %(dataschema)s::text[], %(data)s::bytea[],
        %(extensions)s::jsonb[], %(traceparent)s::text[], %(producer)s::uuid[],
        %(producer_event_id)s::text[], %(matched)s::int4[], %(misses)s::jsonb[]
    ) AS e(id, source, type, subject, time, tenant, ordering_key, priority, datacontenttype,
           dataschema, data, extensions, traceparent, producer, producer_event_id, matched, misses)
    WHERE (SELECT value FROM epoch) = %(epoch)s
      AND NOT EXISTS (SELECT FROM taken WHERE taken.event_id = e.id)
), owed AS (
    INSERT INTO events_owed (
        id, event_id, subscription_id, tenant, owner, event_type, state, priority, attempts,
        ordering_key, webhook_id, last_error, created_at, due_at, worker, strikes)
    SELECT d.id, d.event_id, d.subscription_id, d.tenant, d.owner, d.event_type, 'pending',
        d.priority, 0, d.ordering_key, d.id, '', now(), now(), '', 0
    FROM unnest(
        %(delivery_id)s::uuid[], %(delivery_event)s::uuid[], %(delivery_subscription)s::uuid[],
        %(delivery_tenant)s::text[], %(delivery_owner)s::text[], %(delivery_type)s::text[],
        %(delivery_priority)s::int2[], %(delivery_ordering_key)s::text[]
    ) AS d(id, event_id, subscription_id, tenant, owner, event_type, priority, ordering_key)
    WHERE (SELECT value FROM epoch) = %(epoch)s
      AND NOT EXISTS (SELECT FROM taken WHERE taken.event_id = d.event_id)
    RETURNING subscription_id, owner
), counted AS (
    INSERT INTO events_ledgerentry
        (subscription_id, tenant, created, delivered, dead, cancelled, rolled)
    SELECT subscription_id, owner, count(*), 0, 0, 0, false FROM owed GROUP BY 1, 2
), left_over AS (
    INSERT INTO events_fanout (event_id, remaining)
    SELECT f.event_id, array_agg(f.subscription_id ORDER BY f.subscription_id)
    FROM unnest(%(rest_event)s::uuid[], %(rest_subscription)s::uuid[])
        AS f(event_id, subscription_id)
    WHERE (SELECT value FROM epoch) = %(epoch)s
      AND NOT EXISTS (SELECT FROM taken WHERE taken.event_id = f.event_id)
    GROUP BY f.event_id
)
SELECT epoch.value AS epoch, known.key, known.event_id, known.content
FROM epoch LEFT JOIN known ON true
"""


class GuardConflict(Exception):
    """Another request with other content was published under the same Idempotency-Key."""


# Waits for another transaction that is just publishing under the same key.
GUARD = """
INSERT INTO events_eventidentity AS mine (key, event_id, content, expires_at)
VALUES (%(key)s, %(event)s, %(content)s, now() + %(ttl)s::interval)
ON CONFLICT (key) DO UPDATE SET
    content = CASE WHEN mine.expires_at < now() THEN excluded.content ELSE mine.content END,
    expires_at = greatest(mine.expires_at, now())
RETURNING content
"""


def publish(
    events: Sequence[NewEvent], *, identity_ttl: float, guard: Identity | None = None
) -> list[Receipt]:
    """Stores the events and the deliveries they are owed; returns after the commit.

    `identity_ttl` is how long a repeat is recognised, in seconds. Gives a receipt per event, in
    order. Raises ValueError if two events carry the same identity: the statement would meet its
    own row, so the caller publishes the second one after the first. Raises GuardConflict, and
    stores nothing, if `guard` is known with other content.
    """
    keys = [event.identity.key for event in events if event.identity]
    if len(set(keys)) < len(keys):
        raise ValueError("two events of one publish carry the same identity")
    epoch: int | None = None
    while True:
        matcher = current_matcher(moved_to=epoch)
        hits = [matcher.match(e.tenant, e.type, partial(facts_of, e)) for e in events]
        values: dict[str, Any] = {"epoch": matcher.epoch}
        values |= _event_columns(events, hits) | _identity_columns(events, identity_ttl)
        values |= _delivery_columns(events, hits)
        with transaction.atomic():
            if guard is not None:
                _pass(guard, events[0].id, identity_ttl)
            found = statements.rows(PUBLISH, values, prepare=True)
        epoch = found[0].epoch
        if epoch == matcher.epoch:
            known = {row.key: row for row in found}
            return [_receipt(e, hit, known) for e, hit in zip(events, hits, strict=True)]


def _pass(guard: Identity, event: UUID, ttl: float) -> None:
    values = {"key": guard.key, "event": event, "content": guard.content, "ttl": f"{ttl} seconds"}
    if statements.rows(GUARD, values)[0].content != guard.content:
        raise GuardConflict


def _receipt(event: NewEvent, hits: Hits, known: dict[UUID, Any]) -> Receipt:
    if event.identity is None:
        return Accepted(event.id, len(hits.subscriptions))
    row = known[event.identity.key]
    if row.event_id == event.id:
        return Accepted(event.id, len(hits.subscriptions))
    if row.content == event.identity.content:
        return Duplicate(row.event_id)
    return Conflict(row.event_id)


def _identity_columns(events: Sequence[NewEvent], ttl: float) -> dict[str, Any]:
    known = [(event.id, event.identity) for event in events if event.identity]
    return {
        "identity_ttl": f"{ttl} seconds",
        "identity_events": [event_id for event_id, _ in known],
        "identity_keys": [identity.key for _, identity in known],
        "identity_contents": [identity.content for _, identity in known],
    }


_COLUMNS = (
    "id",
    "source",
    "type",
    "subject",
    "time",
    "tenant",
    "ordering_key",
    "priority",
    "datacontenttype",
    "dataschema",
    "data",
    "traceparent",
    "producer",
    "producer_event_id",
)


def _event_columns(events: Sequence[NewEvent], hits: Sequence[Hits]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        column: [getattr(event, column) for event in events] for column in _COLUMNS
    }
    columns["extensions"] = [Jsonb(event.extensions) for event in events]
    columns["matched"] = [len(hit.subscriptions) for hit in hits]
    columns["misses"] = [Jsonb(hit.misses) for hit in hits]
    return columns


def _delivery_columns(events: Sequence[NewEvent], hits: Sequence[Hits]) -> dict[str, Any]:
    now_owed, later = [], []
    for event, hit in zip(events, hits, strict=True):
        first, rest = _split(hit.subscriptions)
        now_owed += [(event, target) for target in first]
        later += [(event.id, target.id) for target in rest]
    return {
        "delivery_id": [new_uuid() for _ in now_owed],
        "delivery_event": [event.id for event, _ in now_owed],
        "delivery_subscription": [target.id for _, target in now_owed],
        "delivery_tenant": [event.tenant for event, _ in now_owed],
        "delivery_owner": [target.tenant for _, target in now_owed],
        "delivery_type": [event.type for event, _ in now_owed],
        "delivery_priority": [event.priority for event, _ in now_owed],
        "delivery_ordering_key": [_order(event, target.ordered) for event, target in now_owed],
        "rest_event": [event_id for event_id, _ in later],
        "rest_subscription": [subscription for _, subscription in later],
    }


def _split(targets: Sequence[Target]) -> tuple[Sequence[Target], Sequence[Target]]:
    """Those that are owed at once, and the rest."""
    if len(targets) <= FAN_OUT_AT_ONCE:
        return targets, ()
    targets = sorted(targets, key=lambda target: not target.ordered)
    cut = max(FAN_OUT_AT_ONCE, sum(target.ordered for target in targets))
    return targets[:cut], targets[cut:]


def _order(event: NewEvent, ordered: bool) -> str | None:  # noqa: FBT001
    """Events without a key share one, the empty key, of an ordered subscription."""
    return (event.ordering_key or "") if ordered else None
