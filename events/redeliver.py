"""Owing an event once more: new deliveries of stored events, for replays and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from events import statements
from events.uuids import new_uuid


@dataclass(frozen=True, slots=True)
class Redelivery:
    """`source` is what is replayed, once per replay: a dead letter, or an event.

    `webhook_id` None gives the delivery an id of its own; receivers then take it for news.
    """

    event: UUID
    subscription: UUID
    source: UUID
    webhook_id: UUID | None


# The unique index on (replay, source) makes a repeat of a step write nothing. What has no event
# any more, or no subscription, is left out: the answer says what was made.
REDELIVER = """
WITH made AS (
    INSERT INTO events_owed (
        id, event_id, subscription_id, tenant, owner, event_type, state, priority, attempts,
        ordering_key, webhook_id, replay_id, replay_source, last_error, created_at, due_at,
        worker, strikes)
    SELECT r.id, e.id, s.id, e.tenant, s.tenant, e.type, 'pending', e.priority, 0,
        CASE WHEN s.ordered THEN coalesce(e.ordering_key, '') END, coalesce(r.webhook_id, r.id),
        %(replay)s, r.source, '', now(), now(), '', 0
    FROM unnest(%(id)s::uuid[], %(event)s::uuid[], %(subscription)s::uuid[], %(source)s::uuid[],
                %(webhook_id)s::uuid[]) AS r(id, event_id, subscription_id, source, webhook_id)
    JOIN events_event AS e ON e.id = r.event_id
    JOIN events_subscription AS s ON s.id = r.subscription_id AND s.deleted_at IS NULL
    ORDER BY r.id
    ON CONFLICT DO NOTHING
    RETURNING id, replay_source, subscription_id, owner
), counted AS (
    INSERT INTO events_ledgerentry
        (subscription_id, tenant, created, delivered, dead, cancelled, rolled)
    SELECT subscription_id, owner, count(*), 0, 0, 0, false FROM made GROUP BY 1, 2
)
SELECT id, replay_source FROM made
"""


def redeliver(items: Sequence[Redelivery], *, replay: UUID) -> dict[UUID, UUID]:
    """Makes a delivery of each item, in the caller's transaction; gives them by their source.

    Items whose event or subscription is gone are missing from the answer.
    """
    rows = statements.rows(
        REDELIVER,
        {
            "replay": replay,
            "id": [new_uuid(after=item.event) for item in items],
            "event": [item.event for item in items],
            "subscription": [item.subscription for item in items],
            "source": [item.source for item in items],
            "webhook_id": [item.webhook_id for item in items],
        },
    )
    return {row.replay_source: row.id for row in rows}
