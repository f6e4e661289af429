"""Laws of the concurrency that is found by trying."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.rules.adaptive import BACK_OFF, Limit, adapt

MILLISECONDS = st.floats(0, 120_000)
CAPS = st.integers(1, 10_000)
LIMITS = st.builds(Limit, st.integers(1, 10_000), st.none() | MILLISECONDS)
BATCHES = st.lists(st.tuples(st.booleans(), MILLISECONDS), max_size=60)


@given(LIMITS, CAPS, BATCHES)
def test_it_stays_between_one_and_the_cap(
    limit: Limit, cap: int, batches: list[tuple[bool, float]]
) -> None:
    for failed, median_ms in batches:
        limit = adapt(limit, cap=cap, failed=failed, median_ms=median_ms)
        assert 1 <= limit.value <= cap
        assert limit.usual_ms is None or 0 <= limit.usual_ms <= 120_000


@given(LIMITS, CAPS, MILLISECONDS)
def test_a_failure_backs_off_at_once(limit: Limit, cap: int, median_ms: float) -> None:
    after = adapt(limit, cap=cap, failed=True, median_ms=median_ms)
    assert after.value <= max(1, limit.value * BACK_OFF)
    assert after.usual_ms == limit.usual_ms


@given(st.integers(1, 60), MILLISECONDS, BATCHES, MILLISECONDS)
def test_whatever_was_before_a_steady_endpoint_comes_back_to_full_width(
    cap: int, first: float, before: list[tuple[bool, float]], steady: float
) -> None:
    limit = Limit(cap, first)
    for failed, median_ms in before:
        limit = adapt(limit, cap=cap, failed=failed, median_ms=median_ms)
    for _ in range(60 + cap):
        limit = adapt(limit, cap=cap, failed=False, median_ms=steady)
    assert limit.value == cap


@given(LIMITS, CAPS, MILLISECONDS)
def test_one_batch_changes_it_by_one_up_or_by_a_third_down(
    limit: Limit, cap: int, median_ms: float
) -> None:
    after = adapt(limit, cap=max(cap, limit.value + 1), failed=False, median_ms=median_ms)
    assert after.value in {limit.value + 1, max(1, int(limit.value * BACK_OFF))}
