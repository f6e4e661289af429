"""Sending an event with other data: a new event, owed to one subscription alone.

What was published stays as it is. The new event names the old one in an extension, and has an id of
its own, so receivers take it for another message.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from events import statements
from events.rules import ids
from events.rules.ids import Prefix
from events.uuids import new_uuid

EXTENSION = "redriveamends"

# As a publish and its delivery, in one statement: the new event matched the one that it is for.
AMEND = """
WITH original AS (
    SELECT * FROM events_event WHERE id = %(event)s
), target AS (
    SELECT id, tenant, ordered FROM events_subscription
    WHERE id = %(subscription)s AND deleted_at IS NULL
), event AS (
    INSERT INTO events_event (id, source, type, subject, time, tenant, ordering_key, priority,
        datacontenttype, dataschema, data, extensions, received_at, matched)
    SELECT %(new)s, source, type, subject, time, original.tenant, ordering_key, priority,
        datacontenttype, dataschema, %(data)s, extensions || %(extension)s, now(), 1
    FROM original CROSS JOIN target
    RETURNING id, type, tenant, ordering_key, priority
), owed AS (
    INSERT INTO events_owed (id, event_id, subscription_id, tenant, owner, event_type, state,
        priority, attempts, ordering_key, webhook_id, last_error, created_at, due_at, worker,
        strikes)
    SELECT %(delivery)s, event.id, target.id, event.tenant, target.tenant, event.type, 'pending',
        event.priority, 0, CASE WHEN target.ordered THEN coalesce(event.ordering_key, '') END,
        %(delivery)s, '', now(), now(), '', 0
    FROM event CROSS JOIN target
    RETURNING subscription_id, owner
), counted AS (
    INSERT INTO events_ledgerentry
        (subscription_id, tenant, created, delivered, dead, cancelled, rolled)
    SELECT subscription_id, owner, 1, 0, 0, 0, false FROM owed
)
SELECT id FROM event
"""


@dataclass(frozen=True, slots=True)
class Amended:
    """The new event, and its one delivery."""

    event: UUID
    delivery: UUID


def amend(event: UUID, data: bytes, *, to: UUID) -> Amended | None:
    """Stores both in the caller's transaction; None if the event or the subscription is gone."""
    new = new_uuid()
    made = Amended(new, new_uuid(after=new))
    values = {
        "event": event,
        "subscription": to,
        "new": made.event,
        "delivery": made.delivery,
        "data": data,
        "extension": Jsonb({EXTENSION: ids.encode(Prefix.EVENT, event)}),
    }
    return made if statements.rows(AMEND, values) else None
