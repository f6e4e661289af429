"""The circuit breaker of one subscription: what it lets through, and what results do to it.

Closed lets everything through. Too many failures open it: deliveries are parked, no attempt is
spent. When its time is up, one real delivery is sent as a probe, and it is half-open. Success
closes it and ramps the lane up 1, 2, 4 … to the cap; failure opens it again for twice as long. The
doubling is forgotten only when the ramp is done, so a relapse on the way up goes on from there.
What was sent before it opened last says nothing about the endpoint since, and is not heard.

The share is of what came since the first failure: counting the successes of a healthy lane would
make every batch to a busy endpoint wait for its lane's row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from events.rules.outcome import Fault
from events.rules.states import BreakerState

# Thirty seconds doubled so often is past any limit, and 2 ** n stays a small number.
_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to open and for how long; times in seconds, `share` as a part of 1."""

    failures_in_row: int = 5
    share: float = 0.5
    share_minimum: int = 20
    window: float = 60.0
    open_for: float = 30.0
    open_cap: float = 900.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """As stored; the default is a healthy one.

    `failures` are in a row. `opened_at` is when it left closed, `retry_at` when the next probe may
    go (while open), `probe_until` when a probe unheard of is given up (while half-open).
    `opened_times` counts openings since the lane last ran at full width. `ramp` is the width while
    it recovers.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    window_started: datetime | None = None
    window_total: int = 0
    window_failures: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    opened_times: int = 0
    probe_until: datetime | None = None
    ramp: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """The results of one batch: `trailing_failures` are those after its last success."""

    successes: int = 0
    failures: int = 0
    trailing_failures: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One result: whether its send was a probe, and `opened_times` when it was claimed."""

    fault: Fault
    probe: bool = False
    opened_times: int = 0


def heard(breaker: Breaker, answers: Iterable[Answer]) -> list[Fault]:
    """Those of the answers that may move the breaker: while it is half-open, its probe's alone."""
    since = [one for one in answers if one.opened_times >= breaker.opened_times]
    match breaker.state:
        case BreakerState.CLOSED:
            return [one.fault for one in since]
        case BreakerState.HALF_OPEN:
            return [one.fault for one in since if one.probe]
        case BreakerState.OPEN:
            return []
        case _:
            assert_never(breaker.state)


def tally(faults: Iterable[Fault]) -> Tally:
    """Count a batch's results, oldest first, as the breaker sees them.

    An endpoint that refuses an event is alive, so that counts as a success; our own faults say
    nothing about the endpoint and are left out.
    """
    successes = failures = trailing = 0
    for fault in faults:
        match fault:
            case Fault.NONE | Fault.EVENT:
                successes, trailing = successes + 1, 0
            case Fault.ENDPOINT:
                failures, trailing = failures + 1, trailing + 1
            case Fault.OURS:
                continue
            case _:
                assert_never(fault)
    return Tally(successes, failures, trailing)


def probe_due(breaker: Breaker, now: datetime) -> bool:
    """Whether its time is over, so that the next send is a probe; the claim itself asks in SQL."""
    match breaker.state:
        case BreakerState.CLOSED:
            return False
        case BreakerState.OPEN:
            return breaker.retry_at is None or now >= breaker.retry_at
        case BreakerState.HALF_OPEN:
            return breaker.probe_until is None or now >= breaker.probe_until
        case _:
            assert_never(breaker.state)


def advance(
    breaker: Breaker, results: Tally, *, now: datetime, policy: BreakerPolicy, cap: int
) -> Breaker:
    """The breaker after a batch of results; `cap` is the lane's full width, where a ramp ends."""
    if not results.successes and not results.failures:
        return breaker
    match breaker.state:
        case BreakerState.OPEN:
            # Sends that were under way when it opened: only a probe may close or prolong it.
            return breaker
        case BreakerState.HALF_OPEN:
            return _open(breaker, now, policy) if results.trailing_failures else _recover(breaker)
        case BreakerState.CLOSED:
            return _count(breaker, results, now=now, policy=policy, cap=cap)
        case _:
            assert_never(breaker.state)


def force_open(breaker: Breaker, now: datetime, until: datetime) -> Breaker:
    """Opened by a person until a moment; then it probes as usual."""
    return Breaker(
        state=BreakerState.OPEN,
        opened_at=breaker.opened_at or now,
        retry_at=until,
        opened_times=max(1, breaker.opened_times),
    )


def force_close(breaker: Breaker) -> Breaker:
    """Closed by a person, its record forgotten; what was parked still ramps up."""
    return Breaker(ramp=breaker.ramp if breaker.state is BreakerState.CLOSED else 1)


def restart() -> Breaker:
    """As after a good probe: closed, its record forgotten, one send at first."""
    return Breaker(ramp=1)


def open_seconds(opened_times: int, policy: BreakerPolicy) -> float:
    """How long the n-th opening (from 1) lasts: `open_for` doubled each time, up to `open_cap`."""
    doublings = min(max(0, opened_times - 1), _MOST_DOUBLINGS)
    return min(policy.open_for * 2.0**doublings, policy.open_cap)


def _count(
    breaker: Breaker, results: Tally, *, now: datetime, policy: BreakerPolicy, cap: int
) -> Breaker:
    counted = _add(breaker, results, now, policy)
    # Without a failure of its own a batch never opens it, though it may fill up the window.
    if results.failures and _is_failing(counted, policy):
        return _open(counted, now, policy)
    return counted if counted.ramp is None else _widen(counted, counted.ramp, results, cap)


def _widen(breaker: Breaker, ramp: int, results: Tally, cap: int) -> Breaker:
    # One more for each success doubles the width a round trip, in whatever batches they come; one
    # less for each failure still grows unless so many fail that the breaker opens.
    wider = max(1, ramp + results.successes - results.failures)
    if wider < cap:
        return replace(breaker, ramp=wider)
    return replace(breaker, ramp=None, opened_times=0)


def _add(breaker: Breaker, results: Tally, now: datetime, policy: BreakerPolicy) -> Breaker:
    count = results.successes + results.failures
    run = results.trailing_failures if results.successes else breaker.failures + results.failures
    if not _in_window(breaker.window_started, now, policy):
        return replace(
            breaker,
            failures=run,
            window_started=now,
            window_total=count,
            window_failures=results.failures,
        )
    return replace(
        breaker,
        failures=run,
        window_total=breaker.window_total + count,
        window_failures=breaker.window_failures + results.failures,
    )


def _in_window(started: datetime | None, now: datetime, policy: BreakerPolicy) -> bool:
    # A start in the future is left by a clock that was put back: such a window would never end.
    return started is not None and started <= now < started + timedelta(seconds=policy.window)


def _is_failing(breaker: Breaker, policy: BreakerPolicy) -> bool:
    if breaker.failures >= policy.failures_in_row:
        return True
    enough = breaker.window_total >= policy.share_minimum
    return enough and breaker.window_failures >= policy.share * breaker.window_total


def _open(breaker: Breaker, now: datetime, policy: BreakerPolicy) -> Breaker:
    times = breaker.opened_times + 1
    return Breaker(
        state=BreakerState.OPEN,
        failures=breaker.failures,
        opened_at=breaker.opened_at or now,
        retry_at=now + timedelta(seconds=open_seconds(times, policy)),
        opened_times=times,
    )


def _recover(breaker: Breaker) -> Breaker:
    return replace(restart(), opened_times=breaker.opened_times)
