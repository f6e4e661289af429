"""The state of the system in numbers: depth, ledger, processes, load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.db.models.functions import Now

from dlq.models import Signature
from events import load, statements
from events.models import FanOut, Heartbeat, LoadLevel
from events.models.process import Role
from monitoring.depth import Totals
from monitoring.health import Health, health
from monitoring.models import Sample

FRESH = timedelta(seconds=10)
"""A younger sample is what the status of all tenants is read from: counting costs with what waits.

Without a dispatcher there is none, and it is counted.
"""

# One statement, so that ledger and count are of one moment: a difference then means a loss. It
# counts what is owed, which costs with what waits, not with what is stored. Lanes that nothing
# can be claimed from park their deliveries; those that a probe may try now do not. Not one
# statement with a condition for both: its plan would be the one of the worse.
COUNTS = """
WITH owed AS (
    SELECT o.state, o.due_at,
        s.state <> 'active' OR s.deleted_at IS NOT NULL OR lane.state <> 'closed' AS parked
    FROM events_owed AS o
    LEFT JOIN events_subscription AS s ON s.id = o.subscription_id
    LEFT JOIN events_lane AS lane ON lane.subscription_id = o.subscription_id
    WHERE {owed}
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
    WHERE {ledger}
)
SELECT depth.*, ledger.*, now() AS at FROM depth CROSS JOIN ledger
"""
OF_ALL = COUNTS.format(owed="true", ledger="true")
OF_TENANT = COUNTS.format(owed="o.owner = %(tenant)s", ledger="tenant = %(tenant)s")


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
class Counted:
    """Depth and ledger of one moment."""

    at: datetime
    depth: Depth
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Status:
    """`processes` are those alive by role; `alone` says that a dispatcher delivers by itself."""

    counted: Counted
    dead_letters: int
    fan_outs: int
    processes: Mapping[str, int]
    alone: bool
    load: LoadLevel
    health: list[Health]


def status(*, tenant: str | None) -> Status:
    """As of now, of one tenant's deliveries; None for all of them."""
    counted = _counted(tenant) if tenant is not None else _sampled() or _counted(None)
    alive = list(Heartbeat.objects.alive().values_list("role", "load"))
    letters = Signature.objects.with_open().seen_by(tenant).order_by()
    counts = Counter(role for role, _ in alive)
    return Status(
        counted=counted,
        dead_letters=letters.aggregate(n=Sum("open"))["n"] or 0,
        fan_outs=FanOut.objects.count(),
        processes={role: counts[role] for role in Role},
        alone=any(carried.get("alone") for _, carried in alive),
        load=load.current(),
        health=health(tenant=tenant),
    )


def _sampled() -> Counted | None:
    """From the newest sample, if that is fresh."""
    sample = Sample.objects.ticks().filter(at__gt=Now() - FRESH).order_by("-id").first()
    if sample is None or "ledger" not in sample.totals:
        return None
    totals = Totals(**sample.totals["ledger"])
    oldest = None if sample.oldest is None else sample.at - timedelta(seconds=sample.oldest)
    return Counted(
        sample.at,
        Depth(sample.due + sample.waiting, sample.in_flight, sample.parked, oldest),
        Ledger(**asdict(totals), owed=totals.owed - (sample.unaccounted or 0)),
    )


def _counted(tenant: str | None) -> Counted:
    sql = OF_ALL if tenant is None else OF_TENANT
    row = statements.rows(sql, {} if tenant is None else {"tenant": tenant})[0]
    return Counted(
        row.at,
        Depth(row.pending, row.in_flight, row.parked, row.oldest_due),
        Ledger(row.created, row.delivered, row.dead, row.cancelled, row.owed),
    )
