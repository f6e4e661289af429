"""Marking poison: an event that endpoints refuse for its content is named as the one at fault.

Only such refusals pay for it, with one row an event. Marking changes nothing of how the event is
delivered: its deliveries run out of attempts like any other, and no lane waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from events import statements

ENDPOINTS = 3
"""Subscriptions whose endpoints refuse an event, which make it poison."""

ATTEMPTS = 10
"""Refused attempts that make it poison however few the endpoints, if no delivery died of them."""

# The ORM cannot merge arrays in an upsert. Rows are taken in the order of their ids, so that two
# batches with the same events wait for each other and never deadlock.
MARK = """
INSERT INTO events_poison AS known (event_id, subscriptions, attempts, marked_at)
SELECT event, array_agg(DISTINCT subscription), count(*),
    CASE WHEN count(DISTINCT subscription) >= %(endpoints)s OR count(*) >= %(attempts)s
           OR bool_or(died) THEN now() END
FROM unnest(%(events)s::uuid[], %(subscriptions)s::uuid[], %(died)s::bool[])
    AS seen(event, subscription, died)
GROUP BY event ORDER BY event
ON CONFLICT (event_id) DO UPDATE SET
    subscriptions = (SELECT array_agg(DISTINCT one)
                     FROM unnest(known.subscriptions || excluded.subscriptions) AS one),
    attempts = known.attempts + excluded.attempts,
    marked_at = coalesce(known.marked_at, excluded.marked_at, CASE
        WHEN known.attempts + excluded.attempts >= %(attempts)s
          OR (SELECT count(DISTINCT one)
              FROM unnest(known.subscriptions || excluded.subscriptions) AS one) >= %(endpoints)s
        THEN now() END)
RETURNING event_id
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An endpoint refused an event for its content; `died` if the delivery ended with that."""

    event: UUID
    subscription: UUID
    died: bool


def mark(refusals: Iterable[Refusal]) -> None:
    """Counts refusals; enough of them, or a delivery that died of one, mark the event."""
    found = list(refusals)
    if found:
        values = {
            "events": [one.event for one in found],
            "subscriptions": [one.subscription for one in found],
            "died": [one.died for one in found],
            "endpoints": ENDPOINTS,
            "attempts": ATTEMPTS,
        }
        statements.rows(MARK, values)
