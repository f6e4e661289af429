"""Expanding what a publish with very many matches left over, a thousand deliveries at a time."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from events import statements
from events.models import FanOut
from events.uuids import new_uuid

AT_ONCE = 1_000

# The cut of the marker and the deliveries made from it are one statement: a kill leaves both or
# neither, so the rest is expanded once, wherever it is resumed. A subscription that was deleted
# meanwhile is left out. The deliveries have the event's time, so they keep its place in an order.
EXPAND = """
WITH marker AS MATERIALIZED (
    SELECT event_id, remaining FROM events_fanout WHERE event_id = %(event)s
    FOR UPDATE SKIP LOCKED
), cut AS (
    UPDATE events_fanout AS f SET remaining = f.remaining[%(next)s:]
    FROM marker WHERE f.event_id = marker.event_id
), owed AS (
    INSERT INTO events_owed (
        id, event_id, subscription_id, tenant, owner, event_type, state, priority, attempts,
        ordering_key, webhook_id, last_error, created_at, due_at, worker, strikes)
    SELECT part.id, e.id, s.id, e.tenant, s.tenant, e.type, 'pending', e.priority, 0,
        CASE WHEN s.ordered THEN coalesce(e.ordering_key, '') END, part.id, '', e.received_at,
        now(), '', 0
    FROM marker
    JOIN events_event AS e ON e.id = marker.event_id
    CROSS JOIN LATERAL unnest(marker.remaining[:%(many)s], %(ids)s::uuid[])
        AS part(subscription_id, id)
    JOIN events_subscription AS s ON s.id = part.subscription_id AND s.deleted_at IS NULL
    RETURNING subscription_id, owner
), counted AS (
    INSERT INTO events_ledgerentry
        (subscription_id, tenant, created, delivered, dead, cancelled, rolled)
    SELECT subscription_id, owner, count(*), 0, 0, 0, false FROM owed GROUP BY 1, 2
)
SELECT cardinality(remaining) AS had FROM marker
"""


def expand_all() -> int:
    """Expands every marker to its end; gives the number of events it finished."""
    events = list(FanOut.objects.order_by("event").values_list("event", flat=True)[:100])
    return sum(_expand(event) for event in events)


def _expand(event: UUID) -> bool:
    """Whether this call expanded the last part; another worker's marker is left to it."""
    while True:
        values = {
            "event": event,
            "many": AT_ONCE,
            "next": AT_ONCE + 1,
            "ids": [new_uuid(after=event) for _ in range(AT_ONCE)],
        }
        with transaction.atomic():
            found = statements.rows(EXPAND, values)
            if not found:
                return False
            if found[0].had <= AT_ONCE:
                FanOut.objects.filter(event=event).delete()
                return True
