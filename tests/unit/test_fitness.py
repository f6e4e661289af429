"""A process that is not fit to send knows it, and says why."""

from __future__ import annotations

import resource

import pytest

from events import vitals
from events.rules.fitness import (
    CLOCK_OFF,
    HANDLES_LEFT,
    STALLED,
    Vitals,
    is_stalled,
    sends_at_most,
    unfit,
)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Vitals(), ""),
        (Vitals(clock_offset=CLOCK_OFF, handles_left=HANDLES_LEFT), ""),
        (Vitals(clock_offset=-CLOCK_OFF), ""),
        (Vitals(clock_offset=600.0), "its clock is 600 s behind PostgreSQL's"),
        (Vitals(clock_offset=-600.0), "its clock is 600 s ahead of PostgreSQL's"),
        (Vitals(handles_left=HANDLES_LEFT - 1), "it has 31 file handles left"),
        (Vitals(handles_left=-3), "it has 0 file handles left"),
    ],
)
def test_a_wrong_clock_and_missing_handles_make_a_process_unfit(found: Vitals, words: str) -> None:
    assert unfit(found) == words


def test_only_a_loop_that_stood_still_for_long_ends_its_process() -> None:
    assert not is_stalled(Vitals(still=STALLED))
    assert is_stalled(Vitals(still=STALLED + 0.1))


def test_handles_are_counted_against_the_limit_of_this_process() -> None:
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, was[1]))
    try:
        left = vitals.handles_left()
        assert left is not None
        with open("/dev/null"), open("/dev/null"):  # noqa: PTH123 - two handles more
            assert vitals.handles_left() == left - 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, was)


@pytest.mark.parametrize(
    ("left", "in_flight", "most"),
    [
        (None, 0, 1_024),
        (20_000, 0, 1_024),
        (HANDLES_LEFT + 10, 0, 10),
        (HANDLES_LEFT + 10, 90, 100),
        (HANDLES_LEFT, 5, 5),
        (0, 5, 0),
    ],
)
def test_no_more_sends_are_opened_than_there_are_handles_for(
    left: int | None, in_flight: int, most: int
) -> None:
    assert sends_at_most(Vitals(handles_left=left), in_flight=in_flight, most=1_024) == most


def test_a_process_takes_all_the_handles_that_it_may_have() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, hard))
    try:
        vitals.raise_handle_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
