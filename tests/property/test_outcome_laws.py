from __future__ import annotations

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
    error_of,
    fault,
)

DETAILS = st.text(st.characters(codec=None), max_size=400)
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Responded, st.integers(0, 9999), st.none() | DETAILS),
    st.builds(Unreachable, st.sampled_from(UnreachableKind), DETAILS),
    st.builds(TimedOut, st.sampled_from(TimeoutPhase), DETAILS),
    st.builds(Blocked, DETAILS),
)


@given(OUTCOMES)
def test_an_outcome_has_an_error_exactly_when_someone_is_at_fault(outcome: Outcome) -> None:
    assert (error_of(outcome) == "") == (fault(outcome) is Fault.NONE)


@given(OUTCOMES)
def test_an_error_is_short_printable_and_storable(outcome: Outcome) -> None:
    error = error_of(outcome)
    assert len(error) <= 300
    assert error.isprintable()
    assert "\x00" not in error.encode().decode()
