"""The sampler: looks at everything once a tick and keeps what it saw as one row.

A dispatcher runs `take` every second. Each tick reads the sample before it, so it does not matter
which of many dispatchers runs it, or how long none did.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from events import statements
from events.rules import ids
from events.rules.ids import Prefix
from monitoring import depth, tried
from monitoring.depth import Depth, LaneDepth, Totals
from monitoring.models import LaneQuarter, Sample
from monitoring.models.lane import KEPT
from monitoring.models.sample import MINUTES_KEPT, SECONDS_KEPT

SETTLE = timedelta(milliseconds=500)
"""How far behind the clock a span ends: what ended in it has been recorded by then."""

LONGEST_SPAN = timedelta(seconds=60)
"""What a sample covers at most when nobody sampled for longer; the rest is a gap."""

AROUND = """
SELECT clock_timestamp() AS now,
    (SELECT count(*) FROM events_lane WHERE state = 'open') AS open,
    (SELECT count(*) FROM events_lane WHERE state = 'half_open') AS half_open,
    s.paused, s.disabled, s.slowest,
    coalesce((SELECT level FROM events_loadlevel
        WHERE measured_at > now() - interval '15 seconds'), 'normal') AS level,
    (SELECT count(*) FROM monitoring_finding WHERE cleared_at IS NULL AND acknowledged_at IS NULL
     AND (silenced_until IS NULL OR silenced_until <= now())) AS findings
FROM (SELECT count(*) FILTER (WHERE state = 'paused') AS paused,
          count(*) FILTER (WHERE state = 'disabled') AS disabled,
          coalesce(max(timeout), 15) + 2 AS slowest
      FROM events_subscription WHERE deleted_at IS NULL) AS s
"""

# Sums of the minute's counts, means of its depths, the worst of its ages; a percentile of a minute
# is that of its seconds, weighed by their attempts. Delete and insert are one statement, so
# that a reader sees each moment once.
ROLL = """
WITH old AS (
    DELETE FROM monitoring_sample WHERE NOT rolled AND at < %(before)s RETURNING *
), minute AS (
    SELECT date_trunc('minute', at) AS at, sum(span) AS span, sum(accepted) AS accepted,
        sum(created) AS created, sum(delivered) AS delivered, sum(dead) AS dead,
        sum(cancelled) AS cancelled, sum(attempts) AS attempts, sum(failures) AS failures,
        sum(ours) AS ours, sum(p50 * attempts) / nullif(sum(attempts), 0) AS p50,
        sum(p95 * attempts) / nullif(sum(attempts), 0) AS p95, max(p99) AS p99,
        max(oldest) AS oldest, max(open) AS open, max(half_open) AS half_open,
        max(paused) AS paused, max(disabled) AS disabled, max(findings) AS findings,
        avg(due)::bigint AS due, avg(waiting)::bigint AS waiting, avg(parked)::bigint AS parked,
        avg(in_flight)::bigint AS in_flight, max(level) AS level,
        (array_agg(unaccounted ORDER BY at DESC))[1] AS unaccounted, max(checked_at) AS checked_at
    FROM old GROUP BY 1
)
INSERT INTO monitoring_sample (
    at, span, rolled, accepted, created, delivered, dead, cancelled, attempts, failures, ours, p50,
    p95, p99, due, waiting, parked, in_flight, oldest, open, half_open, paused, disabled, level,
    findings, unaccounted, checked_at, totals, lanes)
SELECT at, span, true, accepted, created, delivered, dead, cancelled, attempts, failures, ours,
    p50, p95, p99, due, waiting, parked, in_flight, oldest, open, half_open, paused, disabled,
    level, findings, unaccounted, checked_at, '{}', '[]'
FROM minute
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Before:
    """What the sample before this one left: where it ended, its sums, its look at what is owed."""

    until: datetime
    totals: Totals
    looked_at: datetime | None
    cost: float
    rate: float


def take(last: Sample | None) -> Sample:
    """Looks, and keeps what was seen since the `last` sample."""
    around = statements.rows(AROUND)[0]
    before = _before(last)
    until = around.now - SETTLE
    start = max(before.until if before else until - timedelta(seconds=1), until - LONGEST_SPAN)
    rate = before.rate if before else 1.0
    span = tried.span(start, until, rate=rate, slowest=around.slowest)
    seen = _seen(last, before, around.now)
    totals = Totals(**seen["totals"]["ledger"])
    seconds = max((until - start).total_seconds(), 0.001)
    sample = Sample(
        at=around.now,
        span=seconds,
        **_moved(before.totals if before else totals, totals),
        **_tries(span),
        **{name: getattr(around, name) for name in _AROUND},
        **seen,
    )
    sample.totals |= {"until": until.isoformat(), "rate": span.attempts / seconds}
    sample.save()
    return sample


_AROUND = ["open", "half_open", "paused", "disabled", "level", "findings"]


def keep() -> None:
    """Sums old seconds to minutes and drops what is older than is kept."""
    now = statements.rows("SELECT now() AS now")[0].now
    with transaction.atomic():
        statements.rows(ROLL, {"before": (now - SECONDS_KEPT).replace(second=0, microsecond=0)})
    Sample.objects.filter(rolled=True, at__lt=now - MINUTES_KEPT).delete()
    LaneQuarter.objects.filter(at__lt=now - KEPT).delete()


def _before(last: Sample | None) -> Before | None:
    if last is None or "until" not in last.totals:
        return None
    return Before(
        until=datetime.fromisoformat(last.totals["until"]),
        totals=Totals(**last.totals["ledger"]),
        looked_at=last.checked_at,
        cost=last.totals["cost"],
        rate=last.totals["rate"],
    )


def _seen(last: Sample | None, before: Before | None, now: datetime) -> dict[str, Any]:
    """What is owed: counted, or carried on if counting again so soon would cost too much."""
    if last is None or before is None or before.looked_at is None:
        return _counted(depth.look(), now)
    if (now - before.looked_at).total_seconds() >= depth.due_after(before.cost):
        return _counted(depth.look(), now)
    return _carried(last, depth.read_ledger())


def _counted(look: Depth, now: datetime) -> dict[str, Any]:
    return {
        "due": look.due,
        "waiting": look.waiting,
        "parked": look.parked,
        "in_flight": look.in_flight,
        "oldest": look.oldest,
        "unaccounted": look.unaccounted,
        "checked_at": now,
        "totals": {"ledger": asdict(look.totals), "cost": look.cost},
        "lanes": [_lane(lane) for lane in look.worst()],
    }


def _carried(last: Sample, totals: Totals) -> dict[str, Any]:
    """Between two looks the ledger moves on, and its terms must still sum.

    Parked is what moves least and keeps its number as far as that much is owed, then what waits,
    then what is in flight; all the rest is due.
    """
    left = owed = max(0, totals.owed - (last.unaccounted or 0))
    split = {}
    for term in ("parked", "waiting", "in_flight"):
        split[term] = min(getattr(last, term), left)
        left -= split[term]
    return {
        **split,
        "due": left,
        "oldest": last.oldest,
        "unaccounted": totals.owed - owed,
        "checked_at": last.checked_at,
        "totals": {"ledger": asdict(totals), "cost": last.totals["cost"]},
        "lanes": last.lanes,
    }


def _moved(before: Totals, now: Totals) -> dict[str, int]:
    """What the ledger's sums grew by; after a restored backup they may be smaller: then nothing."""
    old, new = asdict(before), asdict(now)
    return {name: max(0, new[name] - old[name]) for name in new}


def _tries(span: tried.Span) -> dict[str, Any]:
    found = asdict(span)
    found["failures"] = found.pop("theirs")
    return found


def _lane(lane: LaneDepth) -> dict[str, Any]:
    return {
        "id": ids.encode(Prefix.SUBSCRIPTION, lane.subscription),
        "due": lane.due,
        "waiting": lane.waiting,
        "in_flight": lane.in_flight,
        "oldest": lane.oldest,
        "flows": lane.flows,
    }
