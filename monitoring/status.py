"""The state of the system in numbers: depth, ledger, processes, load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from dlq.models import Signature
from events import load, statements
from events.models import FanOut, Heartbeat, LoadLevel
from events.models.process import Role
from monitoring.parts import Known, known

# One statement, so that ledger and count are of one moment: a difference then means a loss. It
# counts what is owed, which costs with what waits, not with what is stored. Lanes that nothing
# can be claimed from park their deliveries; those that a probe may try now do not.
COUNTS = """
WITH owed AS (
    SELECT o.state, o.due_at,
        s.state <> 'active' OR s.deleted_at IS NOT NULL OR lane.state <> 'closed' AS parked
    FROM events_owed AS o
    LEFT JOIN events_subscription AS s ON s.id = o.subscription_id
    LEFT JOIN events_lane AS lane ON lane.subscription_id = o.subscription_id
    WHERE %(tenant)s::text IS NULL OR o.owner = %(tenant)s::text
), depth AS (
    SELECT count(*) AS owed,
        count(*) FILTER (WHERE state = 'in_flight') AS in_flight,
        count(*) FILTER (WHERE state = 'pending' AND parked) AS parked,
        count(*) FILTER (WHERE state = 'pending' AND parked IS NOT TRUE) AS pending,
        min(due_at) FILTER (WHERE state = 'pending' AND parked IS NOT TRUE AND due_at <= now())
            AS oldest_due
    FROM owed
), ledger AS (
    SELECT coalesce(sum(created), 0)::int8 AS created,
        coalesce(sum(delivered), 0)::int8 AS delivered,
        coalesce(sum(dead), 0)::int8 AS dead,
        coalesce(sum(cancelled), 0)::int8 AS cancelled
    FROM events_ledgerentry
    WHERE %(tenant)s::text IS NULL OR tenant = %(tenant)s::text
)
SELECT depth.*, ledger.*, now() AS at FROM depth CROSS JOIN ledger
"""


@dataclass(frozen=True, slots=True)
class Depth:
    """What is owed, by state; `oldest_due` is when the longest waiting one fell due."""

    pending: int
    in_flight: int
    parked: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that was ever owed, and what became of it."""

    created: int
    delivered: int
    dead: int
    cancelled: int
    owed: int

    @property
    def unaccounted(self) -> int:
        """Not zero means that something was lost, or counted twice."""
        return self.created - self.delivered - self.dead - self.cancelled - self.owed


@dataclass(frozen=True, slots=True)
class Status:
    """`processes` are those alive by role; `alone` says that a dispatcher delivers by itself."""

    at: datetime
    depth: Depth
    ledger: Ledger
    dead_letters: int
    fan_outs: int
    processes: Mapping[str, int]
    alone: bool
    load: LoadLevel
    parts: list[Known]


def status(*, tenant: str | None) -> Status:
    """As of now, of one tenant's deliveries; None for all of them."""
    row = statements.rows(COUNTS, {"tenant": tenant})[0]
    alive = list(Heartbeat.objects.alive().values_list("role", "load"))
    letters = Signature.objects.with_open().seen_by(tenant).order_by()
    counts = Counter(role for role, _ in alive)
    return Status(
        at=row.at,
        depth=Depth(row.pending, row.in_flight, row.parked, row.oldest_due),
        ledger=Ledger(row.created, row.delivered, row.dead, row.cancelled, row.owed),
        dead_letters=letters.aggregate(n=Sum("open"))["n"] or 0,
        fan_outs=FanOut.objects.count(),
        processes={role: counts[role] for role in Role},
        alone=any(carried.get("alone") for _, carried in alive),
        load=load.current(),
        parts=known(),
    )
