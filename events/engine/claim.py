"""Claiming: a worker takes due deliveries for a while, fairly over the lanes.

Lanes are walked from a rotating cursor with a loose index scan, so a lane costs one index probe
whatever waits in it. Whoever claims from a lane holds its `Lane` row and passes over rows that
another worker holds, so caps, tokens and the half-open probe are exact and nobody waits. The
order of locks is in events/README.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from events import lanes, statements
from events.lanes import FIRST
from events.rules import ids
from events.rules.cloudevents import CloudEvent
from events.rules.ids import Prefix

LANES_AT_ONCE = 64
"""How many lanes one claim looks at."""

PROBE_GRACE = 5.0
"""Seconds after which a half-open breaker gives up on a probe whose worker died."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery under our lease, with the event it carries.

    `version` is the subscription's: the sender reads its configuration anew when it moved.
    `event` is None only where somebody removed the event under an owed delivery. `opened_times` is
    the breaker's: by it a result that comes after the next opening is known as older than that.
    """

    delivery: UUID
    event_id: UUID
    subscription: UUID
    version: int
    attempts: int
    webhook_id: UUID
    tenant: str | None
    owner: str | None
    event_type: str
    lease: UUID
    probe: bool
    opened_times: int
    traceparent: str | None
    event: CloudEvent | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one claim took, and where the next one starts: FIRST once it saw the last lane."""

    claims: Sequence[Claim]
    cursor: UUID


# Why not the ORM: a recursive loose index scan, laterals with a limit a lane, and SKIP LOCKED on
# the gate, in one round trip. Walks owed_lane, counts owed_in_flight; test_plans holds it to that.
# Deliveries are skipped where they are locked: our snapshot may be older than the gate that we
# hold, and whoever is just recording one of them may be waiting for that gate. For the same reason
# what is in flight is counted by a function, which looks anew once the gate is held: without it
# a lane could go over its cap by what another claim has taken meanwhile. What our snapshot has in
# flight counts too: whoever recorded it since may have disabled the subscription with it. A lane
# that has no place or no token by our snapshot is not held at all: that would write to its row.
# The lease of a dead probe does not count, or the next probe would have to wait for it. A lane's
# turn counts what it has in flight already, and equal turns are drawn by lot: with a full window
# the lanes that are walked first would get every place that comes free.
CLAIM = f"""
WITH RECURSIVE {lanes.WALK}, gate AS MATERIALIZED (
    SELECT lane.subscription_id, lane.state, lane.weight, lane.opened_times, s.rate_limit,
        s.timeout, s.version,
        CASE WHEN s.ordered THEN {lanes.LOOK} ELSE 0 END AS look,
        CASE WHEN lane.state = 'closed' THEN {lanes.CAP} END AS cap,
        {lanes.TOKENS} AS tokens_now, {lanes.IN_FLIGHT} AS seen
    FROM walk
    JOIN events_lane AS lane USING (subscription_id)
    JOIN events_subscription AS s ON s.id = walk.subscription_id
    WHERE {lanes.OPEN} AND {lanes.TOKENS} >= 1
      AND (lane.state <> 'closed' OR {lanes.IN_FLIGHT} < {lanes.CAP})
    FOR NO KEY UPDATE OF lane SKIP LOCKED
), quota AS MATERIALIZED (
    SELECT lane.*, used.n AS used,
        least(CASE WHEN lane.state = 'closed' THEN lane.cap - used.n ELSE 1 END,
              floor(lane.tokens_now)::int, %(want)s) AS n
    FROM gate AS lane CROSS JOIN LATERAL (
        SELECT greatest(lane.seen, events_in_flight(lane.subscription_id))) AS used(n)
), due AS (
    SELECT ready.id, quota.subscription_id, quota.state, quota.timeout, quota.version,
        quota.opened_times,
        (quota.used - 1 + row_number() OVER (
            PARTITION BY quota.subscription_id ORDER BY ready.priority, ready.due_at))
            / quota.weight::float8 AS turn
    FROM quota CROSS JOIN LATERAL ({lanes.READY}) AS ready
    WHERE quota.n > 0
    ORDER BY turn, random() LIMIT %(want)s
), picked AS MATERIALIZED (
    SELECT due.* FROM due JOIN events_owed AS o ON o.id = due.id AND o.state = 'pending'
    FOR NO KEY UPDATE OF o SKIP LOCKED
), claimed AS (
    UPDATE events_owed AS o
    SET state = 'in_flight', lease = %(lease)s, worker = %(worker)s,
        lease_until = now() + make_interval(secs => due.timeout + %(grace)s)
    FROM picked AS due WHERE o.id = due.id
    RETURNING o.id, o.event_id, o.subscription_id, o.attempts, o.webhook_id, o.tenant,
        o.owner, o.event_type, due.version, due.state AS gate_state, due.opened_times
), taken AS (
    SELECT subscription_id, count(*) AS n FROM claimed GROUP BY 1
), moved AS (
    UPDATE events_lane AS lane
    SET tokens = CASE WHEN q.rate_limit IS NULL THEN 0 ELSE q.tokens_now - taken.n END,
        tokens_at = CASE WHEN q.rate_limit IS NULL THEN NULL ELSE now() END,
        state = CASE WHEN q.state = 'closed' THEN 'closed' ELSE 'half_open' END,
        probe_until = CASE WHEN q.state = 'closed' THEN NULL
                           ELSE now() + make_interval(secs => q.timeout + %(probe_grace)s) END
    FROM quota AS q JOIN taken USING (subscription_id)
    WHERE lane.subscription_id = q.subscription_id
      AND (q.rate_limit IS NOT NULL OR q.state <> 'closed')
)
SELECT c.id AS delivery, c.event_id, c.subscription_id AS subscription, c.version, c.attempts,
    c.webhook_id, c.tenant, c.owner, c.event_type, c.gate_state <> 'closed' AS probe,
    c.opened_times, e.id AS stored, e.source, e.type, e.subject, e.time, e.datacontenttype,
    e.dataschema, e.data, e.extensions, e.traceparent, e.producer_event_id,
    w.last_lane, w.walked
FROM (SELECT (SELECT subscription_id FROM walk ORDER BY n DESC LIMIT 1) AS last_lane,
             (SELECT count(*) FROM walk) AS walked) AS w
LEFT JOIN claimed AS c ON true
LEFT JOIN events_event AS e ON e.id = c.event_id
"""


# One delivery by its id, past every gate: for tests.
CLAIM_ONE = """
WITH claimed AS (
    UPDATE events_owed AS o
    SET state = 'in_flight', lease = %(lease)s, worker = %(worker)s,
        lease_until = now() + make_interval(secs => s.timeout + %(grace)s)
    FROM events_subscription AS s JOIN events_lane AS lane ON lane.subscription_id = s.id
    WHERE o.id = %(delivery)s AND o.state = 'pending' AND s.id = o.subscription_id
    RETURNING o.*, s.version, lane.opened_times
)
SELECT c.id AS delivery, c.event_id, c.subscription_id AS subscription, c.version, c.attempts,
    c.webhook_id, c.tenant, c.owner, c.event_type, false AS probe, c.opened_times, e.id AS stored,
    e.source, e.type, e.subject, e.time, e.datacontenttype, e.dataschema, e.data, e.extensions,
    e.traceparent, e.producer_event_id
FROM claimed AS c LEFT JOIN events_event AS e ON e.id = c.event_id
"""


def claim_one(delivery: UUID, *, worker: str, lease: UUID) -> Claim | None:
    """Takes one pending delivery, whatever the state of its lane; None if it is taken or gone."""
    values = {
        "delivery": delivery,
        "worker": worker,
        "lease": lease,
        "grace": settings.REDRIVE_LEASE_GRACE,
    }
    with transaction.atomic():
        rows = statements.rows(CLAIM_ONE, values)
    return _claim(rows[0], lease) if rows else None


def claim(*, want: int, cursor: UUID, worker: str, lease: UUID) -> Claimed:
    """Takes at most `want` due deliveries under the token `lease`, lane-fair from `cursor` on."""
    values = {
        "cursor": cursor,
        "lanes": LANES_AT_ONCE,
        "want": want,
        "lease": lease,
        "worker": worker,
        "grace": settings.REDRIVE_LEASE_GRACE,
        "probe_grace": PROBE_GRACE,
    }
    with transaction.atomic():
        rows = statements.rows(CLAIM, values, prepare=True)
    seen_last = rows[0].walked < LANES_AT_ONCE
    return Claimed(
        claims=[_claim(row, lease) for row in rows if row.delivery is not None],
        cursor=FIRST if seen_last else rows[0].last_lane,
    )


def _claim(row: Any, lease: UUID) -> Claim:
    return Claim(
        delivery=row.delivery,
        event_id=row.event_id,
        subscription=row.subscription,
        version=row.version,
        attempts=row.attempts,
        webhook_id=row.webhook_id,
        tenant=row.tenant,
        owner=row.owner,
        event_type=row.event_type,
        lease=lease,
        probe=row.probe,
        opened_times=row.opened_times,
        traceparent=row.traceparent,
        event=None if row.stored is None else _event(row),
    )


def _event(row: Any) -> CloudEvent:
    return CloudEvent(
        id=row.producer_event_id or ids.encode(Prefix.EVENT, row.stored),
        source=row.source,
        type=row.type,
        subject=row.subject,
        time=row.time,
        datacontenttype=row.datacontenttype,
        dataschema=row.dataschema,
        data=row.data,
        extensions=row.extensions,
    )
