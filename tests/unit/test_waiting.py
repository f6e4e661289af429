"""What a delivery waits for is said in words, with the moment at which it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from events.rules.breaker import Breaker
from events.rules.states import BreakerState
from events.rules.waiting import Gate, Wait, WaitKind, wait_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, SOONER = NOW + timedelta(seconds=30), NOW - timedelta(seconds=30)
OTHER = UUID(int=7)
OPEN = Breaker(state=BreakerState.OPEN, retry_at=LATER)
HALF_OPEN = Breaker(state=BreakerState.HALF_OPEN, probe_until=LATER)

PAUSED = Wait(WaitKind.PAUSED, "The subscription is paused.", LATER)
DISABLED = Wait(WaitKind.DISABLED, "The subscription is disabled until somebody enables it.")
DELETED = Wait(WaitKind.DELETED, "Its subscription was deleted: it will be cancelled.")
PARKED = Wait(
    WaitKind.BREAKER,
    "The breaker is open, so no attempt is spent; then one delivery is tried.",
    LATER,
)
PROBED = Wait(
    WaitKind.BREAKER, "The breaker is half open: one other delivery is being tried.", LATER
)
FULL = Wait(WaitKind.CONCURRENCY, "2 deliveries are in flight, as many as the subscription allows.")
WORKER = Wait(WaitKind.WORKER, "It is due, and waits for a worker that is free.")


def gate(**fields: Any) -> Gate:
    """An open lane with room."""
    healthy: dict[str, Any] = {
        "now": NOW,
        "deleted": False,
        "state": "active",
        "resume_at": None,
        "breaker": Breaker(),
        "cap": 2,
        "in_flight": 1,
        "rate": None,
        "tokens": 0.0,
        "tokens_at": None,
    }
    return Gate(**healthy | fields)


def wait(found: Gate, **fields: Any) -> Wait:
    return wait_of(found, **{"due_at": NOW, "lease_until": None, "behind": None} | fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, WORKER),
        ({"deleted": True, "state": "paused"}, DELETED),
        ({"state": "paused", "resume_at": LATER}, PAUSED),
        ({"state": "disabled"}, DISABLED),
        ({"breaker": OPEN, "in_flight": 2}, PARKED),
        ({"breaker": Breaker(state=BreakerState.OPEN, retry_at=NOW)}, WORKER),
        ({"breaker": Breaker(state=BreakerState.OPEN)}, WORKER),
        ({"breaker": HALF_OPEN}, PROBED),
        ({"breaker": Breaker(state=BreakerState.HALF_OPEN, probe_until=NOW)}, WORKER),
        ({"breaker": Breaker(state=BreakerState.OPEN, retry_at=NOW), "in_flight": 2}, WORKER),
        ({"in_flight": 2}, FULL),
        ({"in_flight": 3, "cap": 3, "rate": 1.0, "tokens_at": NOW}, None),
    ],
)
def test_the_first_gate_that_holds_is_named(fields: dict[str, Any], said: Wait | None) -> None:
    found = wait(gate(**fields))
    assert found.kind == WaitKind.CONCURRENCY if said is None else found == said


def test_what_has_a_lease_is_being_sent_whatever_its_gate() -> None:
    words = "It is being sent; the worker has until then to say what came of it."
    found = wait(gate(deleted=True), lease_until=LATER, due_at=None)
    assert found == Wait(WaitKind.ANSWER, words, LATER)


def test_a_test_passes_every_gate() -> None:
    found = wait(gate(state="paused"), due_at=None)
    assert found == Wait(WaitKind.WORKER, "It is a test, sent by the next worker that is free.")


def test_a_pause_comes_before_the_order_and_the_order_before_the_breaker() -> None:
    first = Wait(
        WaitKind.ORDER, "An earlier delivery with the same ordering key goes first.", behind=OTHER
    )
    assert wait(gate(breaker=OPEN), behind=OTHER) == first
    assert wait(gate(state="paused", resume_at=LATER), behind=OTHER) == PAUSED


def test_the_next_try_is_planned_unless_the_breaker_holds_longer() -> None:
    planned = Wait(WaitKind.DUE, "The next try is planned.", LATER)
    assert wait(gate(), due_at=LATER) == planned
    assert wait(gate(), due_at=NOW) == WORKER
    soon = NOW + timedelta(seconds=10)
    assert wait(gate(breaker=OPEN), due_at=soon) == PARKED
    assert wait(gate(breaker=OPEN), due_at=LATER) == planned
    assert wait(gate(breaker=HALF_OPEN), due_at=soon) == PROBED
    assert wait(gate(breaker=HALF_OPEN), due_at=LATER) == planned


@pytest.mark.parametrize(
    ("rate", "tokens", "passed", "seconds"),
    [
        (0.5, 0.0, 0.0, 2.0),
        (0.5, 0.25, 1.0, 0.5),
        (4.0, -3.0, 0.5, 0.5),
        (0.5, 0.0, 2.0, None),
        (0.5, 0.0, 60.0, None),
        (4.0, 1.0, 0.0, None),
    ],
)
def test_a_rate_that_is_used_up_says_when_the_next_token_comes(
    rate: float, tokens: float, passed: float, seconds: float | None
) -> None:
    found = wait(gate(rate=rate, tokens=tokens, tokens_at=NOW - timedelta(seconds=passed)))
    if seconds is None:
        assert found == WORKER
    else:
        words = f"The rate of {rate:g} a second is used up."
        assert found == Wait(WaitKind.RATE, words, NOW + timedelta(seconds=seconds))


def test_a_rate_that_was_never_used_holds_nothing() -> None:
    assert wait(gate(rate=0.1, tokens=0.0)) == WORKER
    assert wait(gate(tokens=0.0, tokens_at=SOONER)) == WORKER
