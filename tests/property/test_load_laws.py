"""Laws of the load level, whatever is measured."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from events.rules.load import FALLS_AFTER, Level, Load, Measured, assess

ORDER = list(Level)

MEASURES = st.builds(
    Measured,
    backlog=st.floats(0, 120),
    commit=st.floats(0, 1_000),
    window=st.floats(0, 1),
    disk_free=st.none() | st.floats(0, 1),
)


def levels(found: list[Measured]) -> list[Level]:
    load, seen = Load(), []
    for one in found:
        load = assess(one, load)
        seen.append(load.level)
    return seen


@given(st.lists(MEASURES, max_size=80))
def test_the_level_moves_one_step_at_a_time(found: list[Measured]) -> None:
    for one, two in pairwise(levels(found)):
        assert abs(ORDER.index(one) - ORDER.index(two)) <= 1


# Runs of one measure: what jumps at every look would never leave the normal level.
RUNS = st.lists(st.tuples(MEASURES, st.integers(1, 15)), max_size=20)


@given(RUNS)
def test_a_level_that_was_reached_is_kept_for_a_while(runs: list[tuple[Measured, int]]) -> None:
    seen = levels([one for one, times in runs for _ in range(times)])
    since = 0
    for n, (one, two) in enumerate(pairwise(seen), start=1):
        if ORDER.index(two) < ORDER.index(one):
            assert n - since >= FALLS_AFTER
        if one != two:
            since = n


@given(st.lists(MEASURES, max_size=40), st.floats(0, 6), st.floats(0, 60), st.floats(0, 0.8))
def test_calm_ends_every_level(
    found: list[Measured], backlog: float, commit: float, window: float
) -> None:
    calm = Measured(backlog=backlog, commit=commit, window=window, disk_free=None)
    assert levels([*found, *[calm] * (2 * FALLS_AFTER)])[-1] == Level.NORMAL
