"""How much is owed, to whom, since when, and whether the ledger agrees: one look, one snapshot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events import statements

SHARE = 20
"""Looks take at most one part in SHARE of the time, however much is owed."""

WORST = 10

# Why not the ORM: the ledger and the deliveries must be read in one snapshot, or their difference
# says nothing. It reads all that is owed, which is why `due_after` spaces the looks.
DEPTH = """
WITH ledger AS (
    SELECT coalesce(sum(created), 0)::bigint AS created,
        coalesce(sum(delivered), 0)::bigint AS delivered, coalesce(sum(dead), 0)::bigint AS dead,
        coalesce(sum(cancelled), 0)::bigint AS cancelled
    FROM events_ledgerentry
), owed AS (
    SELECT subscription_id,
        count(*) FILTER (WHERE state = 'in_flight') AS in_flight,
        count(*) FILTER (WHERE state = 'pending' AND due_at <= now()) AS due,
        count(*) FILTER (WHERE state = 'pending' AND due_at > now()) AS waiting,
        min(due_at) FILTER (WHERE state = 'pending' AND due_at <= now()) AS oldest
    FROM events_owed GROUP BY subscription_id
)
SELECT ledger.*, owed.subscription_id, owed.in_flight, owed.due, owed.waiting,
    extract(epoch FROM now() - owed.oldest)::float8 AS oldest,
    (lane.state = 'closed' AND s.state = 'active') AS flows
FROM ledger LEFT JOIN (
    owed LEFT JOIN events_lane AS lane USING (subscription_id)
    LEFT JOIN events_subscription AS s ON s.id = owed.subscription_id) ON true
"""

LEDGER = """
SELECT coalesce(sum(created), 0)::bigint AS created,
    coalesce(sum(delivered), 0)::bigint AS delivered, coalesce(sum(dead), 0)::bigint AS dead,
    coalesce(sum(cancelled), 0)::bigint AS cancelled
FROM events_ledgerentry
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """The ledger's sums since ever."""

    created: int
    delivered: int
    dead: int
    cancelled: int

    @property
    def owed(self) -> int:
        return self.created - self.delivered - self.dead - self.cancelled


@dataclass(frozen=True, slots=True)
class LaneDepth:
    """What one lane owes; `due` is parked where the lane does not flow. `oldest` is in seconds."""

    subscription: UUID
    due: int
    waiting: int
    in_flight: int
    oldest: float | None
    flows: bool


@dataclass(frozen=True, slots=True)
class Depth:
    """`cost` is the seconds that looking took."""

    totals: Totals
    lanes: Sequence[LaneDepth]
    cost: float

    @property
    def due(self) -> int:
        return sum(lane.due for lane in self.lanes if lane.flows)

    @property
    def parked(self) -> int:
        return sum(lane.due for lane in self.lanes if not lane.flows)

    @property
    def waiting(self) -> int:
        return sum(lane.waiting for lane in self.lanes)

    @property
    def in_flight(self) -> int:
        return sum(lane.in_flight for lane in self.lanes)

    @property
    def unaccounted(self) -> int:
        """What the ledger says is owed, less what is."""
        return self.totals.owed - (self.due + self.parked + self.waiting + self.in_flight)

    @property
    def oldest(self) -> float | None:
        """The seconds that the oldest delivery has been due in a lane that flows."""
        ages = [lane.oldest for lane in self.lanes if lane.flows and lane.oldest is not None]
        return max(ages, default=None)

    def worst(self) -> list[LaneDepth]:
        """The lanes that owe the oldest, at most WORST."""
        late = [lane for lane in self.lanes if lane.due or lane.waiting]
        return sorted(late, key=lambda one: (one.oldest or 0.0, one.due), reverse=True)[:WORST]


def look() -> Depth:
    """Counts all that is owed."""
    began = time.perf_counter()
    rows = statements.rows(DEPTH)
    return Depth(
        totals=_totals(rows[0]),
        lanes=[_lane(row) for row in rows if row.subscription_id is not None],
        cost=time.perf_counter() - began,
    )


def read_ledger() -> Totals:
    """The sums alone: cheap however much is owed."""
    return _totals(statements.rows(LEDGER)[0])


def due_after(cost: float) -> float:
    """Seconds that must pass after a look that took `cost` seconds."""
    return cost * SHARE


def _totals(row: Any) -> Totals:
    return Totals(row.created, row.delivered, row.dead, row.cancelled)


def _lane(row: Any) -> LaneDepth:
    return LaneDepth(
        subscription=row.subscription_id,
        due=row.due,
        waiting=row.waiting,
        in_flight=row.in_flight,
        oldest=row.oldest,
        # A lane whose subscription is gone flows nowhere.
        flows=bool(row.flows),
    )
