"""The health of lanes over the last hour and day, from the quarters that `add_up` keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from events import jobs, statements
from monitoring import tried
from monitoring.models import LaneQuarter, Sample
from monitoring.models.lane import BUCKETS, QUARTER
from monitoring.samples import LONGEST_SPAN, SETTLE

JOB = "monitoring.lanes"
HOUR = timedelta(hours=1)
CELLS = 96
"""Quarters of a day."""

NOW = """
SELECT clock_timestamp() AS now, coalesce(max(timeout), 15) + 2 AS slowest
FROM events_subscription WHERE deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Health:
    """Of one lane.

    The share of attempts that did not fail at the endpoint, the 95th percentile of milliseconds
    (the upper bound of its bucket), and how many attempts there were. `rate` is what it delivered
    a second in this quarter of an hour and the one before.
    """

    success: float | None
    p95: float | None
    attempts: int
    rate: float = 0.0


NONE = Health(None, None, 0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One quarter: how it went, in the words of monitoring/looks.py."""

    at: datetime
    attempts: int
    failures: int

    @property
    def state(self) -> str:
        if not self.attempts:
            return "none"
        share = self.failures / self.attempts
        return "healthy" if share < 0.01 else "degraded" if share < 0.5 else "failing"


@transaction.atomic
def add_up() -> None:
    """Adds what ended since the last run to the quarters of its lanes."""
    around = statements.rows(NOW)[0]
    state = jobs.state_of(JOB)
    end = around.now - SETTLE
    kept = datetime.fromisoformat(state["until"]) if "until" in state else end - LONGEST_SPAN
    start = max(kept, end - LONGEST_SPAN)
    last = Sample.objects.newest()
    rate = last.totals.get("rate", 1.0) if last else 1.0
    tried.add_to_lanes(start, end, rate=rate, slowest=around.slowest)
    jobs.remember(JOB, {"until": end.isoformat()})


def health_of(subscriptions: Collection[UUID], now: datetime) -> Mapping[UUID, Health]:
    """The last hour of each, in one query."""
    found: dict[UUID, list[LaneQuarter]] = {one: [] for one in subscriptions}
    since = now - HOUR - QUARTER
    for row in LaneQuarter.objects.since(since).filter(subscription__in=found):
        found[row.subscription].append(row)
    return {one: _health(rows, now) for one, rows in found.items()}


def day_of(subscription: UUID, now: datetime) -> list[Cell]:
    """The last day in CELLS quarters, oldest first."""
    first = first_cell(now)
    rows = LaneQuarter.objects.since(first).filter(subscription=subscription)
    by_start = {row.at: row for row in rows}
    return [_cell(first + QUARTER * i, by_start) for i in range(CELLS)]


def first_cell(now: datetime) -> datetime:
    """When the oldest quarter of the day began."""
    return _quarter(now) - QUARTER * (CELLS - 1)


def _quarter(now: datetime) -> datetime:
    seconds = QUARTER.total_seconds()
    return datetime.fromtimestamp(now.timestamp() // seconds * seconds, now.tzinfo)


def _cell(at: datetime, rows: Mapping[datetime, LaneQuarter]) -> Cell:
    row = rows.get(at)
    return Cell(at, row.attempts, row.failures) if row else Cell(at, 0, 0)


def _health(rows: Sequence[LaneQuarter], now: datetime) -> Health:
    attempts = sum(row.attempts for row in rows)
    judged = attempts - sum(row.ours for row in rows)
    if not judged:
        return Health(None, None, attempts)
    success = 1 - sum(row.failures for row in rows) / judged
    histogram = [sum(column) for column in zip(*(row.histogram for row in rows), strict=True)]
    return Health(success, _percentile(histogram, 0.95), attempts, _rate(rows, now))


def _rate(rows: Sequence[LaneQuarter], now: datetime) -> float:
    since = _quarter(now) - QUARTER
    delivered = sum(row.attempts - row.failures - row.ours for row in rows if row.at >= since)
    return delivered / (now - since).total_seconds()


def _percentile(histogram: Sequence[int], share: float) -> float | None:
    wanted, seen = share * sum(histogram), 0
    for bound, count in zip([*BUCKETS, BUCKETS[-1]], histogram, strict=True):
        seen += count
        if count and seen >= wanted:
            return float(bound)
    return None
