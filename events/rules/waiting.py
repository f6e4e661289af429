"""What an owed delivery waits for: the gates of its lane in the order in which they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from events.rules.breaker import Breaker
from events.rules.states import BreakerState, SubscriptionState


class WaitKind(StrEnum):
    ANSWER = "answer"
    DELETED = "deleted"
    PAUSED = "paused"
    DISABLED = "disabled"
    ORDER = "order"
    BREAKER = "breaker"
    DUE = "due"
    CONCURRENCY = "concurrency"
    RATE = "rate"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Wait:
    """`until` is the earliest end that is known; `behind` the delivery that goes first."""

    kind: WaitKind
    words: str
    until: datetime | None = None
    behind: UUID | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """A lane as a claim finds it at `now`.

    `cap` is the width that holds, `rate` sends a second; `tokens` were left at `tokens_at`.
    """

    now: datetime
    deleted: bool
    state: str
    resume_at: datetime | None
    breaker: Breaker
    cap: int
    in_flight: int
    rate: float | None
    tokens: float
    tokens_at: datetime | None


def wait_of(
    gate: Gate, *, due_at: datetime | None, lease_until: datetime | None, behind: UUID | None
) -> Wait:
    """What a delivery waits for; one with a lease is being sent, `due_at` None is a test's."""
    if lease_until is not None:
        words = "It is being sent; the worker has until then to say what came of it."
        return Wait(WaitKind.ANSWER, words, lease_until)
    if due_at is None:
        return Wait(WaitKind.WORKER, "It is a test, sent by the next worker that is free.")
    return (
        _subscription(gate)
        or _order(behind)
        or _breaker(gate, due_at)
        or _due(gate, due_at)
        or _room(gate)
        or Wait(WaitKind.WORKER, "It is due, and waits for a worker that is free.")
    )


def _subscription(gate: Gate) -> Wait | None:
    if gate.deleted:
        return Wait(WaitKind.DELETED, "Its subscription was deleted: it will be cancelled.")
    if gate.state == SubscriptionState.PAUSED:
        return Wait(WaitKind.PAUSED, "The subscription is paused.", gate.resume_at)
    if gate.state == SubscriptionState.DISABLED:
        return Wait(WaitKind.DISABLED, "The subscription is disabled until somebody enables it.")
    return None


def _order(behind: UUID | None) -> Wait | None:
    if behind is None:
        return None
    words = "An earlier delivery with the same ordering key goes first."
    return Wait(WaitKind.ORDER, words, behind=behind)


def _breaker(gate: Gate, due_at: datetime) -> Wait | None:
    match gate.breaker.state:
        case BreakerState.OPEN if _later(gate.breaker.retry_at, than=max(gate.now, due_at)):
            words = "The breaker is open, so no attempt is spent; then one delivery is tried."
            return Wait(WaitKind.BREAKER, words, gate.breaker.retry_at)
        case BreakerState.HALF_OPEN if _later(gate.breaker.probe_until, than=max(gate.now, due_at)):
            words = "The breaker is half open: one other delivery is being tried."
            return Wait(WaitKind.BREAKER, words, gate.breaker.probe_until)
        case _:
            return None


def _due(gate: Gate, due_at: datetime) -> Wait | None:
    return Wait(WaitKind.DUE, "The next try is planned.", due_at) if due_at > gate.now else None


def _room(gate: Gate) -> Wait | None:
    if gate.breaker.state == BreakerState.CLOSED and gate.in_flight >= gate.cap:
        words = f"{gate.in_flight} deliveries are in flight, as many as the subscription allows."
        return Wait(WaitKind.CONCURRENCY, words)
    if gate.rate is None or gate.tokens_at is None:
        return None
    passed = (gate.now - gate.tokens_at).total_seconds()
    tokens = min(max(gate.rate, 1.0), gate.tokens + gate.rate * passed)
    if tokens >= 1.0:
        return None
    until = gate.now + timedelta(seconds=(1.0 - tokens) / gate.rate)
    return Wait(WaitKind.RATE, f"The rate of {gate.rate:g} a second is used up.", until)


def _later(moment: datetime | None, *, than: datetime) -> bool:
    return moment is not None and moment > than
