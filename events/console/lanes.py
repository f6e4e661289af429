"""How the lanes of some subscriptions stand: what they owe, since when, and what holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from events import statements
from events.models import OwedDelivery, Subscription
from events.rules.states import BreakerState, SubscriptionState

STUCK_SHOWN = 5

# Counting rows would cost what a lane owes; the ledger is a few rows a lane, and exact. What is
# due first is one probe of owed_lane a priority. A test is due at infinity, which Python cannot
# hold: it is not of the lane.
STANDING = """
SELECT wanted.id, ledger.*, soonest.due_at, soonest.due_at <= now() AS due
FROM unnest(%(ids)s::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(created), 0)::bigint AS accepted,
        coalesce(sum(delivered), 0)::bigint AS delivered, coalesce(sum(dead), 0)::bigint AS dead,
        coalesce(sum(cancelled), 0)::bigint AS cancelled
    FROM events_ledgerentry WHERE subscription_id = wanted.id
) AS ledger
CROSS JOIN LATERAL (
    SELECT min(first.due_at) AS due_at
    FROM (VALUES (0::int2), (1::int2), (2::int2)) AS p(priority)
    CROSS JOIN LATERAL (
        SELECT due_at FROM events_owed
        WHERE subscription_id = wanted.id AND state = 'pending' AND priority = p.priority
            AND due_at < 'infinity'
        ORDER BY due_at LIMIT 1) AS first
) AS soonest
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Totals since the subscription was made.

    `soonest` is when the first that waits is or was due, `due` whether that has come.
    """

    accepted: int
    delivered: int
    dead: int
    cancelled: int
    soonest: datetime | None
    due: bool

    @property
    def oldest(self) -> datetime | None:
        """When its longest waiting fell due."""
        return self.soonest if self.due else None

    @property
    def owed(self) -> int:
        return self.accepted - self.delivered - self.dead - self.cancelled


@dataclass(frozen=True, slots=True)
class Standings:
    """A subscription with its lane's standing."""

    row: Subscription
    at: Standing

    @property
    def held(self) -> str:
        """Why what is owed does not drain now; empty if it does."""
        if self.row.state != SubscriptionState.ACTIVE:
            return self.row.state
        return "parked" if self.row.lane.state != BreakerState.CLOSED else ""


def standing_of(subscriptions: Iterable[UUID]) -> dict[UUID, Standing]:
    """One query, a handful of index rows a lane."""
    rows = statements.rows(STANDING, {"ids": list(subscriptions)})
    return {
        row.id: Standing(
            row.accepted, row.delivered, row.dead, row.cancelled, row.due_at, bool(row.due)
        )
        for row in rows
    }


def with_standing(rows: Sequence[Subscription]) -> list[Standings]:
    known = standing_of(row.id for row in rows)
    return [Standings(row, known[row.id]) for row in rows]


def in_flight(subscription: UUID, *, most: int) -> int:
    """Sends under way, counted up to the cap that bounds them."""
    return OwedDelivery.objects.in_flight(subscription)[: most + 1].count()


def stuck(subscription: UUID) -> QuerySet[OwedDelivery]:
    """Deliveries of an ordered lane that failed and hold up what has the same key."""
    return OwedDelivery.objects.stuck(subscription)[:STUCK_SHOWN]
