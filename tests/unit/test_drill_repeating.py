"""What receivers took twice breaks a law where nothing explains it, or where too much of it is."""

from __future__ import annotations

import pytest

from drills.drill import Fault, Repeating, _of_repeats
from drills.repeats import Repeats

NEVER, WINDOW, RECORDS = Repeating.NEVER, Repeating.WINDOW, Repeating.RECORDS


def words(may: Repeating, found: Repeats, *, at_risk: int = 0) -> list[str]:
    fault = Fault("x", "y", lambda _rig: "", 0, may)
    return list(_of_repeats(fault, found, at_risk))


@pytest.mark.parametrize(
    ("may", "total", "at_risk", "broken"),
    [
        (NEVER, 0, 0, []),
        (NEVER, 1, 9, ["1 repeats, though nothing was killed or cut off"]),
        (WINDOW, 0, 0, []),
        (WINDOW, 3, 3, []),
        (WINDOW, 4, 3, ["4 repeats, and only 3 were in flight where it was killed"]),
        (RECORDS, 4, 0, []),
    ],
)
def test_explained_repeats_are_held_to_what_the_fault_may_cause(
    may: Repeating, total: int, at_risk: int, broken: list[str]
) -> None:
    assert words(may, Repeats(total), at_risk=at_risk) == broken


@pytest.mark.parametrize("may", [WINDOW, RECORDS])
def test_an_unexplained_repeat_breaks_it_whatever_the_fault_may_cause(may: Repeating) -> None:
    found = Repeats(9, ("a", "b", "c", "d"))
    assert found.explained == 5
    assert words(may, found, at_risk=9) == ["4 repeats are not explained, such as a; b; c"]


def test_a_drill_counts_only_what_came_after_the_one_before() -> None:
    first = Repeats(3, ("a", "b"))
    assert first.since(first) == Repeats()
    assert Repeats(5, ("a", "b", "c")).since(first) == Repeats(2, ("c",))


def test_another_repeat_of_a_delivery_that_was_unexplained_before_is_counted() -> None:
    assert Repeats(2, ("a", "a")).since(Repeats(1, ("a",))) == Repeats(1, ("a",))
