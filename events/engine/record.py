"""Recording: what came of a batch of sends, in one transaction, fenced by the lease.

Attempts are inserted, deliveries move on, deaths are told to `hooks.on_dead`, breakers advance.
The attempt of a worker whose lease has passed on is kept and marked late; its verdict is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

import msgspec
from django.db import transaction

from events import hooks, statements
from events.engine.claim import Claim
from events.engine.gates import Seen, advance_lanes
from events.engine.poison import Refusal, mark
from events.engine.transport import Sent
from events.hooks import Death
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.outcome import Fault, Responded, error_of, fault, label
from events.rules.verdict import Dead, Decision, Delivered, Dropped, Gone, RetryAt

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Result:
    """One finished send: what was claimed, what happened, what we decided.

    `judged_at` is the worker's clock at the verdict: a retry's delay is laid on Postgres's clock.
    """

    attempt: UUID
    claim: Claim
    sent: Sent
    verdict: Decision
    judged_at: datetime


# Why not the ORM: delete, insert and update of one batch, told apart by a fence, in one round
# trip. Finds its rows by primary key only. The batch is one JSON text: that costs the worker a
# third of what eighteen arrays do.
RECORD = """
WITH result AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(results)s::json) AS r(
        attempt uuid, delivery uuid, subscription uuid, lease uuid, number int, verdict text,
        delay float8, status int, error text, outcome text, started_at timestamptz, dns_ms float8,
        first_byte_ms float8, total_ms float8, request_headers jsonb, response_headers jsonb,
        response_body text, address text)
), ended AS (
    DELETE FROM events_owed AS o USING result AS r
    WHERE o.id = r.delivery AND o.lease = r.lease
      AND r.verdict IN ('delivered', 'dead', 'cancelled')
    RETURNING o.*, r.verdict, r.number, r.status, r.error
), finished AS (
    INSERT INTO events_finished (
        id, event_id, subscription_id, tenant, owner, event_type, state, priority, attempts,
        ordering_key, webhook_id, replay_id, replay_source, last_status, last_error, created_at,
        finished_at)
    SELECT id, event_id, subscription_id, tenant, owner, event_type, verdict, priority, number,
        ordering_key, webhook_id, replay_id, replay_source, status, error, created_at, now()
    FROM ended
), retried AS (
    UPDATE events_owed AS o
    SET state = 'pending', lease = NULL, lease_until = NULL, worker = '', attempts = r.number,
        strikes = 0, due_at = now() + make_interval(secs => r.delay), last_status = r.status,
        last_error = r.error
    FROM result AS r
    WHERE o.id = r.delivery AND o.lease = r.lease AND r.verdict = 'retry'
    RETURNING o.id, o.subscription_id, r.lease
), counted AS (
    INSERT INTO events_ledgerentry
        (subscription_id, tenant, created, delivered, dead, cancelled, rolled)
    SELECT subscription_id, owner, 0, count(*) FILTER (WHERE verdict = 'delivered'),
        count(*) FILTER (WHERE verdict = 'dead'),
        count(*) FILTER (WHERE verdict = 'cancelled'), false
    FROM ended GROUP BY 1, 2
), kept AS (
    SELECT id, subscription_id, lease FROM ended UNION ALL SELECT * FROM retried
), tried AS (
    INSERT INTO events_attempt (
        id, delivery_id, subscription_id, number, late, started_at, dns_ms, first_byte_ms,
        total_ms, outcome, verdict, status, error, request_headers, response_headers,
        response_body, address, worker)
    SELECT r.attempt, r.delivery, r.subscription, r.number, kept.id IS NULL, r.started_at,
        r.dns_ms, r.first_byte_ms, r.total_ms, r.outcome, r.verdict, r.status, r.error,
        r.request_headers, r.response_headers, decode(r.response_body, 'base64'), r.address,
        %(worker)s
    FROM result AS r LEFT JOIN kept ON kept.id = r.delivery AND kept.lease = r.lease
)
SELECT kept.id, kept.lease, now() AS at,
    (lane.state <> 'closed' OR lane.failures > 0 OR lane.window_failures > 0
     OR lane.ramp IS NOT NULL OR lane."limit" IS NOT NULL) AS unsettled
FROM kept LEFT JOIN events_lane AS lane ON lane.subscription_id = kept.subscription_id
"""


def record(results: Sequence[Result], *, worker: str) -> None:
    """Writes a batch of finished sends; a delivery whose lease passed on keeps its new owner."""
    with transaction.atomic():
        batch = _encode([_row(result) for result in results]).decode()
        rows = statements.rows(RECORD, {"results": batch, "worker": worker}, prepare=True)
        # With its lease: a batch may hold a late result beside the one of the new owner.
        kept = {(row.id, row.lease) for row in rows}
        held = [one for one in results if (one.claim.delivery, one.claim.lease) in kept]
        mark(
            Refusal(r.claim.event_id, r.claim.subscription, died=isinstance(r.verdict, Dead))
            for r in held
            if fault(r.sent.outcome) is Fault.EVENT
        )
        hooks.dead([_death(result, rows[0].at) for result in held if _is_dead(result)])
        unsettled = {row.id for row in rows if row.unsettled}
        advance_lanes(
            [_seen(result) for result in held],
            unsettled={r.claim.subscription for r in held if r.claim.delivery in unsettled},
        )
    hooks.changed(_names(result.claim for result in held))


def _seen(result: Result) -> Seen:
    return Seen(
        subscription=result.claim.subscription,
        outcome=result.sent.outcome,
        verdict=result.verdict,
        milliseconds=result.sent.total_ms,
        probe=result.claim.probe,
        opened_times=result.claim.opened_times,
    )


def _names(claims: Iterable[Claim]) -> list[str]:
    """What a page may show of these: the deliveries, their events and their subscriptions."""
    found = {
        pair
        for claim in claims
        for pair in (
            (Prefix.DELIVERY, claim.delivery),
            (Prefix.EVENT, claim.event_id),
            (Prefix.SUBSCRIPTION, claim.subscription),
        )
    }
    return [ids.encode(prefix, identifier) for prefix, identifier in found]


def _is_dead(result: Result) -> bool:
    return isinstance(result.verdict, Dead | Gone)


def _death(result: Result, at: datetime) -> Death:
    claim, outcome = result.claim, result.sent.outcome
    return Death(
        delivery=claim.delivery,
        event=claim.event_id,
        subscription=claim.subscription,
        tenant=claim.tenant,
        owner=claim.owner,
        event_type=claim.event_type,
        attempts=claim.attempts + 1,
        outcome=label(outcome),
        status=_status(result),
        error=error_of(outcome),
        reason=_reason(result.verdict),
        body=result.sent.response_body,
        died_at=at,
    )


def _reason(verdict: Decision) -> str:
    match verdict:
        case Dead(reason) | Gone(reason) | Dropped(reason):
            return reason
        case Delivered() | RetryAt():
            return ""
        case _:
            assert_never(verdict)


def _status(result: Result) -> int | None:
    outcome = result.sent.outcome
    return outcome.status if isinstance(outcome, Responded) else None


def _verb(verdict: Decision) -> str:
    match verdict:
        case Delivered():
            return "delivered"
        case RetryAt():
            return "retry"
        case Dead() | Gone():
            return "dead"
        case Dropped():
            return "cancelled"
        case _:
            assert_never(verdict)


def _delay(result: Result) -> float | None:
    match result.verdict:
        case RetryAt(at):
            return (at - result.judged_at).total_seconds()
        case _:
            return None


def _row(result: Result) -> dict[str, Any]:
    claim, sent = result.claim, result.sent
    return {
        "attempt": result.attempt,
        "delivery": claim.delivery,
        "subscription": claim.subscription,
        "lease": claim.lease,
        "number": claim.attempts + 1,
        "verdict": _verb(result.verdict),
        "delay": _delay(result),
        "status": _status(result),
        "error": error_of(sent.outcome),
        "outcome": label(sent.outcome),
        "started_at": sent.started_at,
        "dns_ms": sent.dns_ms,
        "first_byte_ms": sent.first_byte_ms,
        "total_ms": sent.total_ms,
        "request_headers": sent.request_headers,
        "response_headers": sent.response_headers,
        "response_body": sent.response_body,
        "address": sent.address,
    }
