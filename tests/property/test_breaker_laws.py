"""The breaker in the hands of workers that claim, report, die and meet a person's commands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from events.rules.breaker import (
    Breaker,
    BreakerPolicy,
    Tally,
    advance,
    allowance,
    begin_probe,
    force_close,
    force_open,
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


class BreakerUnderLoad(RuleBasedStateMachine):
    """One lane: `in_flight` sends are out; a claim never takes more than the breaker allows."""

    @initialize(policy=POLICIES, cap=st.integers(1, 64), deadline=st.floats(1, 30, allow_nan=False))
    def begin(self, policy: BreakerPolicy, cap: int, deadline: float) -> None:
        self.policy, self.cap, self.deadline = policy, cap, deadline
        self.now = START
        self.in_flight = 0
        self.breaker = Breaker()
        self.due_by: datetime | None = None

    @rule(seconds=st.floats(0, 120))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.due_by is not None and self.now < self.due_by)
    @rule()
    def time_comes(self) -> None:
        self.now = self.due_by or self.now

    @rule()
    def a_worker_claims(self) -> None:
        if probe_due(self.breaker, self.now):
            self.breaker = begin_probe(
                self.breaker, now=self.now, policy=self.policy, deadline=self.deadline
            )
            self.in_flight += 1
            self.due_by = self.now + timedelta(seconds=self.deadline + self.policy.probe_grace)
            assert allowance(self.breaker, self.cap, self.now) == 0
        else:
            self.in_flight = max(self.in_flight, allowance(self.breaker, self.cap, self.now))

    @precondition(lambda self: self.in_flight > 0)
    @rule(data=st.data())
    def a_batch_is_recorded(self, data: st.DataObject) -> None:
        faults = data.draw(st.lists(FAULTS, min_size=1, max_size=self.in_flight))
        self.in_flight -= len(faults)
        before, results = self.breaker, tally(faults)
        self.breaker = advance(before, results, now=self.now, policy=self.policy, cap=self.cap)
        self._check_step(before, results)

    @precondition(lambda self: self.in_flight > 0)
    @rule()
    def the_worker_dies_and_its_sends_are_never_heard_of(self) -> None:
        self.in_flight = 0

    @rule(seconds=st.floats(0, 600))
    def a_person_opens_it(self, seconds: float) -> None:
        self.due_by = self.now + timedelta(seconds=seconds)
        self.breaker = force_open(self.breaker, self.now, self.due_by)

    @rule()
    def a_person_closes_it(self) -> None:
        self.breaker = force_close(self.breaker)
        self.due_by = None

    @invariant()
    def nothing_beyond_the_cap_is_allowed(self) -> None:
        assert 0 <= allowance(self.breaker, self.cap, self.now) <= self.cap

    @invariant()
    def out_of_closed_it_allows_a_try_no_later_than_promised(self) -> None:
        if self.breaker.state is not BreakerState.CLOSED:
            assert self.due_by is not None
            assert allowance(self.breaker, self.cap, self.due_by) == 1

    @invariant()
    def each_state_has_its_own_deadline_and_no_other(self) -> None:
        state = self.breaker.state
        assert (self.breaker.retry_at is not None) == (state is BreakerState.OPEN)
        assert (self.breaker.probe_until is not None) == (state is BreakerState.HALF_OPEN)
        assert (self.breaker.opened_at is None) == (state is BreakerState.CLOSED)
        assert self.breaker.ramp is None or state is BreakerState.CLOSED

    def _check_step(self, before: Breaker, results: Tally) -> None:
        after = self.breaker
        if after.state is BreakerState.OPEN and before.state is not BreakerState.OPEN:
            assert results.failures > 0
            assert after.opened_times == before.opened_times + 1
            lasts = open_seconds(after.opened_times, self.policy)
            self.due_by = self.now + timedelta(seconds=lasts)
        if before.state is BreakerState.OPEN:
            assert after is before
        if after.state is BreakerState.CLOSED:
            self.due_by = None


BreakerUnderLoad.TestCase.settings = settings(max_examples=200, stateful_step_count=40)
TestBreakerUnderLoad = BreakerUnderLoad.TestCase


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
        assert allowance(breaker, 10, START) == 10


@given(POLICIES, st.integers(1, 200), st.integers(1, 200))
def test_openings_never_get_shorter_and_never_pass_the_cap(
    policy: BreakerPolicy, first: int, second: int
) -> None:
    earlier, later = sorted((first, second))
    lengths = open_seconds(earlier, policy), open_seconds(later, policy)
    assert min(policy.open_for, policy.open_cap) <= lengths[0] <= lengths[1] <= policy.open_cap


@given(POLICIES, tallies(), st.integers(1, 64))
def test_a_healed_endpoint_is_back_at_full_width_in_few_batches(
    policy: BreakerPolicy, last: Tally, cap: int
) -> None:
    sick = advance(Breaker(), last, now=START, policy=policy, cap=cap)
    breaker = sick
    if sick.retry_at is not None:
        breaker = begin_probe(sick, now=sick.retry_at, policy=policy, deadline=15)
    for _ in range(1 + cap.bit_length()):
        now = START + timedelta(seconds=policy.open_cap)
        breaker = advance(breaker, Tally(successes=1), now=now, policy=policy, cap=cap)
    assert allowance(breaker, cap, START) == cap
    assert replace(breaker, window_started=None, window_total=0, window_failures=0) == Breaker()


@given(POLICIES, st.integers(1, 40))
def test_a_dead_endpoint_costs_one_attempt_an_opening(policy: BreakerPolicy, rounds: int) -> None:
    threshold = policy.failures_in_row
    failures = Tally(failures=threshold, trailing_failures=threshold)
    breaker = advance(Breaker(), failures, now=START, policy=policy, cap=10)
    one = Tally(failures=1, trailing_failures=1)
    for number in range(2, rounds + 2):
        now = breaker.retry_at
        assert now is not None
        breaker = begin_probe(breaker, now=now, policy=policy, deadline=1)
        breaker = advance(breaker, one, now=now, policy=policy, cap=10)
        assert (breaker.state, breaker.opened_times) == (BreakerState.OPEN, number)
        assert allowance(breaker, 10, now) == 0
