"""What was tried lately: attempts that ended in a span of time, counted and timed.

An attempt's id is as old as its start, so those that ended in a span are looked for among the ids
of a while before it, LOOKED_AT rows at most: at high rates the slowest are not seen here. They are
in the ledger all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from events import statements
from events.rules import ids
from monitoring.models.lane import BUCKETS

LOOKED_AT = 20_000
LEAST = timedelta(seconds=3)

# Of an attempt that ended between the two moments. `theirs` is what rules/outcome.fault calls the
# endpoint's, `ours` what it calls ours.
_ENDED = """
SELECT subscription_id, number, verdict, total_ms, started_at, delivery_id,
    (outcome = 'blocked'
     OR (outcome = 'unreachable' AND error ~ '^(name resolver|failure on this side)')) AS ours,
    (outcome = 'timed_out'
     OR (outcome = 'unreachable' AND error !~ '^(name resolver|failure on this side)')
     OR (outcome = 'responded' AND NOT status BETWEEN 200 AND 299
         AND status NOT IN (400, 413, 414, 415, 422))) AS theirs
FROM events_attempt
WHERE id >= %(first)s AND id < %(last)s
  AND started_at + total_ms * interval '1 millisecond' > %(start)s
  AND started_at + total_ms * interval '1 millisecond' <= %(end)s
"""

# From publish to 2xx, of first tries: a retry's wait is the endpoint's doing, not ours. The id of
# a delivery begins with the milliseconds of its making.
SPAN = f"""
WITH ended AS ({_ENDED}), timed AS (
    SELECT extract(epoch FROM started_at)::float8 * 1000 + total_ms
        - ('x' || translate(left(delivery_id::text, 13), '-', ''))::bit(48)::bigint AS ms
    FROM ended WHERE number = 1 AND verdict = 'delivered'
), found AS (
    SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY greatest(ms, 0)) AS p
    FROM timed
)
SELECT count(*) AS attempts, count(*) FILTER (WHERE theirs) AS theirs,
    count(*) FILTER (WHERE ours) AS ours,
    (SELECT count(*) FROM events_event WHERE id >= %(from)s AND id < %(to)s) AS accepted,
    (SELECT p[1] FROM found) AS p50, (SELECT p[2] FROM found) AS p95,
    (SELECT p[3] FROM found) AS p99
FROM ended
"""  # noqa: S608 - made of constants

LANES = f"""
WITH ended AS ({_ENDED}), placed AS (
    SELECT subscription_id, ours, theirs,
        date_bin('15 minutes', %(end)s::timestamptz, 'epoch'::timestamptz) AS at,
        width_bucket(total_ms, %(bounds)s::float8[]) AS bucket
    FROM ended
), tallied AS (
    SELECT subscription_id, at, bucket, count(*) AS n, count(*) FILTER (WHERE theirs) AS theirs,
        count(*) FILTER (WHERE ours) AS ours
    FROM placed GROUP BY 1, 2, 3
), lanes AS (
    SELECT subscription_id, at, sum(n) AS n, sum(theirs) AS theirs, sum(ours) AS ours,
        (SELECT array_agg(coalesce(t.n, 0) ORDER BY b.bucket)
         FROM generate_series(0, cardinality(%(bounds)s::float8[])) AS b(bucket)
         LEFT JOIN tallied AS t ON t.subscription_id = l.subscription_id AND t.bucket = b.bucket)
            AS histogram
    FROM tallied AS l GROUP BY 1, 2
)
INSERT INTO monitoring_lanequarter AS q
    (subscription_id, at, attempts, failures, ours, histogram)
SELECT subscription_id, at, n, theirs, ours, histogram FROM lanes ORDER BY subscription_id
ON CONFLICT (subscription_id, at) DO UPDATE SET
    attempts = q.attempts + excluded.attempts, failures = q.failures + excluded.failures,
    ours = q.ours + excluded.ours,
    histogram = (SELECT array_agg(a + b ORDER BY n) FROM unnest(q.histogram, excluded.histogram)
                 WITH ORDINALITY AS t(a, b, n))
RETURNING q.id
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Span:
    """Counts of one span; latencies in milliseconds, None if nothing was delivered at once."""

    accepted: int
    attempts: int
    theirs: int
    ours: int
    p50: float | None
    p95: float | None
    p99: float | None


def span(start: datetime, end: datetime, *, rate: float, slowest: float) -> Span:
    """What ended between two moments.

    `rate` attempts a second are expected, of which the slowest takes `slowest` seconds.
    """
    row = statements.rows(SPAN, _values(start, end, rate, slowest))[0]
    return Span(
        row.accepted, row.attempts, row.theirs, row.ours, p50=row.p50, p95=row.p95, p99=row.p99
    )


def add_to_lanes(start: datetime, end: datetime, *, rate: float, slowest: float) -> int:
    """Adds what ended between two moments to the quarter of its lanes; gives how many lanes."""
    values = {
        **_values(start, end, rate, slowest),
        "bounds": [float(bound) for bound in BUCKETS],
    }
    return len(statements.rows(LANES, values))


def _values(start: datetime, end: datetime, rate: float, slowest: float) -> dict[str, Any]:
    room = timedelta(seconds=LOOKED_AT / max(rate, 1.0))
    back = min(timedelta(seconds=slowest), max(LEAST, room))
    return {
        "first": ids.first_at(start - back),
        "last": ids.first_at(end),
        "from": ids.first_at(start),
        "to": ids.first_at(end),
        "start": start,
        "end": end,
    }
