"""Laws of the breaker's rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from events.rules.breaker import (
    Answer,
    Breaker,
    BreakerPolicy,
    Tally,
    advance,
    heard,
    open_seconds,
    probe_due,
    tally,
)
from events.rules.outcome import Fault
from events.rules.states import BreakerState

START = datetime(2026, 2, 3, tzinfo=UTC)
FAULTS = st.sampled_from(Fault)
POLICIES = st.builds(
    BreakerPolicy,
    failures_in_row=st.integers(1, 8),
    share=st.floats(0.1, 1),
    share_minimum=st.integers(1, 30),
    window=st.floats(1, 120),
    open_for=st.floats(0.5, 60),
    open_cap=st.floats(60, 900),
)


def tallies() -> st.SearchStrategy[Tally]:
    return st.lists(FAULTS, max_size=40).map(tally)


@given(st.lists(FAULTS, max_size=60))
def test_our_own_faults_are_in_no_tally(faults: list[Fault]) -> None:
    assert tally(faults) == tally(fault for fault in faults if fault is not Fault.OURS)


@given(st.lists(FAULTS, max_size=60))
def test_a_tally_adds_up(faults: list[Fault]) -> None:
    counted = tally(faults)
    assert counted.successes + counted.failures == len(faults) - faults.count(Fault.OURS)
    assert counted.failures == faults.count(Fault.ENDPOINT)
    assert 0 <= counted.trailing_failures <= counted.failures
    assert counted.successes or counted.trailing_failures == counted.failures


@given(POLICIES, st.lists(st.integers(1, 100), max_size=30))
def test_successes_alone_never_open_it(policy: BreakerPolicy, batches: list[int]) -> None:
    breaker = Breaker()
    for count in batches:
        breaker = advance(breaker, Tally(successes=count), now=START, policy=policy, cap=10)
        assert breaker.state is BreakerState.CLOSED
        assert breaker.ramp is None


@given(POLICIES, st.integers(1, 200), st.integers(1, 200))
def test_openings_never_get_shorter_and_never_pass_the_cap(
    policy: BreakerPolicy, first: int, second: int
) -> None:
    earlier, later = sorted((first, second))
    lengths = open_seconds(earlier, policy), open_seconds(later, policy)
    assert min(policy.open_for, policy.open_cap) <= lengths[0] <= lengths[1] <= policy.open_cap


def probing(breaker: Breaker) -> Breaker:
    """As the claim of its probe leaves it."""
    until = START + timedelta(hours=1)
    return replace(breaker, state=BreakerState.HALF_OPEN, retry_at=None, probe_until=until)


@given(POLICIES, tallies(), st.integers(1, 64))
def test_a_healed_endpoint_is_back_at_full_width_after_as_many_successes(
    policy: BreakerPolicy, last: Tally, cap: int
) -> None:
    breaker = advance(Breaker(), last, now=START, policy=policy, cap=cap)
    if breaker.state is BreakerState.OPEN:
        breaker = probing(breaker)
    for _ in range(1 + cap):
        now = START + timedelta(seconds=policy.open_cap)
        breaker = advance(breaker, Tally(successes=1), now=now, policy=policy, cap=cap)
    assert replace(breaker, window_started=None, window_total=0, window_failures=0) == Breaker()


@given(st.integers(1, 64), st.lists(st.integers(1, 64), min_size=1), st.integers(2, 1_000))
def test_a_ramp_is_as_wide_in_one_batch_as_in_many(ramp: int, batches: list[int], cap: int) -> None:
    def grown(parts: list[int]) -> Breaker:
        breaker = Breaker(ramp=ramp, opened_times=1)
        for count in parts:
            breaker = advance(
                breaker, Tally(successes=count), now=START, policy=BreakerPolicy(), cap=cap
            )
        return breaker

    assert grown(batches) == grown([sum(batches)])
    assert grown(batches).ramp == (ramp + sum(batches) if ramp + sum(batches) < cap else None)


@given(POLICIES, st.integers(1, 64), st.integers(2, 64), st.lists(FAULTS, max_size=40))
def test_a_ramp_stays_between_one_and_the_cap(
    policy: BreakerPolicy, ramp: int, cap: int, faults: list[Fault]
) -> None:
    breaker = advance(Breaker(ramp=ramp), tally(faults), now=START, policy=policy, cap=cap)
    assert breaker.ramp is None or 1 <= breaker.ramp < max(cap, ramp + 1)


@given(st.lists(st.builds(Answer, FAULTS, st.booleans(), st.integers(0, 3)), max_size=20))
def test_only_its_probe_decides_a_half_open_breaker(answers: list[Answer]) -> None:
    breaker = Breaker(state=BreakerState.HALF_OPEN, opened_times=2)
    others = [one for one in answers if not one.probe or one.opened_times < 2]
    assert heard(breaker, others) == []
    assert len(heard(breaker, answers)) == len(answers) - len(others)


@given(POLICIES, st.integers(1, 40))
def test_a_dead_endpoint_costs_one_attempt_an_opening(policy: BreakerPolicy, rounds: int) -> None:
    threshold = policy.failures_in_row
    failures = Tally(failures=threshold, trailing_failures=threshold)
    breaker = advance(Breaker(), failures, now=START, policy=policy, cap=10)
    one = Tally(failures=1, trailing_failures=1)
    for number in range(2, rounds + 2):
        now = breaker.retry_at
        assert now is not None
        breaker = advance(probing(breaker), one, now=now, policy=policy, cap=10)
        assert (breaker.state, breaker.opened_times) == (BreakerState.OPEN, number)
        assert not probe_due(breaker, now)
