from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from events.rules.outcome import (
    Blocked,
    Fault,
    Outcome,
    Responded,
    TimedOut,
    TimeoutPhase,
    Unreachable,
    UnreachableKind,
    fault,
)
from events.rules.verdict import Dead, Delivered, Gone, Policy, RetryAt, judge

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Responded, st.integers(100, 999), st.none() | st.text(max_size=20)),
    st.builds(Unreachable, st.sampled_from(UnreachableKind), st.text(max_size=20)),
    st.builds(TimedOut, st.sampled_from(TimeoutPhase), st.text(max_size=20)),
    st.builds(Blocked, st.text(max_size=20)),
)
POLICIES = st.builds(Policy, st.lists(st.floats(0.1, 86_400), max_size=8).map(tuple))
JITTER = st.floats(0, 1, exclude_max=True)


@given(OUTCOMES, POLICIES, st.integers(1, 12), JITTER)
def test_delivered_means_exactly_that_nobody_was_at_fault(
    outcome: Outcome, policy: Policy, attempts: int, jitter: float
) -> None:
    verdict = judge(outcome, policy, attempts=attempts, now=NOW, jitter=jitter)
    assert isinstance(verdict, Delivered) == (fault(outcome) is Fault.NONE)


@given(OUTCOMES, POLICIES, st.integers(1, 12), JITTER)
def test_a_failure_is_retried_later_while_steps_are_left_and_dead_after(
    outcome: Outcome, policy: Policy, attempts: int, jitter: float
) -> None:
    match judge(outcome, policy, attempts=attempts, now=NOW, jitter=jitter):
        case RetryAt(at):
            assert attempts <= len(policy.schedule)
            assert at > NOW
        case Dead(reason):
            assert attempts > len(policy.schedule)
            assert reason.isprintable()
        case Gone():
            assert isinstance(outcome, Responded)
            assert outcome.status == 410
        case Delivered():
            pass


@given(OUTCOMES, POLICIES, JITTER)
def test_every_delivery_ends_once_its_schedule_is_spent(
    outcome: Outcome, policy: Policy, jitter: float
) -> None:
    last = len(policy.schedule) + 1
    verdict = judge(outcome, policy, attempts=last, now=NOW, jitter=jitter)
    assert not isinstance(verdict, RetryAt)
