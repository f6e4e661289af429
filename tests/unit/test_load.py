"""The load level: what raises it, what keeps it, and what is given up at it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from events.rules.load import (
    FALLS_AFTER,
    RISES_AFTER,
    STEPS,
    Level,
    Load,
    Measured,
    Step,
    assess,
    given_up,
)


def measured(
    *, backlog: float = 0.0, commit: float = 5.0, window: float = 0.1, disk: float | None = 0.5
) -> Measured:
    return Measured(backlog=backlog, commit=commit, window=window, disk_free=disk)


QUIET = measured()


def after(found: Iterable[Measured], load: Load | None = None) -> Load:
    load = load or Load()
    for one in found:
        load = assess(one, load)
    return load


@pytest.mark.parametrize(
    ("found", "highest"),
    [
        (QUIET, Level.NORMAL),
        (measured(backlog=10.0, commit=100.0, window=0.95, disk=0.15), Level.NORMAL),
        (measured(disk=None), Level.NORMAL),
        (measured(backlog=10.1), Level.BUSY),
        (measured(commit=100.1), Level.BUSY),
        (measured(window=0.96), Level.BUSY),
        (measured(window=1.0), Level.BUSY),
        (measured(disk=0.149), Level.BUSY),
        (measured(backlog=60.0, commit=500.0, disk=0.08), Level.BUSY),
        (measured(backlog=60.1), Level.OVERLOADED),
        (measured(commit=500.1), Level.OVERLOADED),
        (measured(disk=0.079), Level.OVERLOADED),
    ],
)
def test_each_measure_raises_to_its_level_and_no_higher(found: Measured, highest: Level) -> None:
    assert after([found] * 20).level == highest


def test_one_slow_commit_sheds_nothing() -> None:
    assert after([QUIET, measured(commit=6_000.0), QUIET, measured(commit=6_000.0)]) == Load(
        leaning=1
    )


def test_the_level_rises_and_falls_one_step_at_a_time() -> None:
    load, seen = Load(), []
    for one in [measured(backlog=300.0)] * (2 * RISES_AFTER) + [QUIET] * (2 * FALLS_AFTER):
        load = assess(one, load)
        seen.append(load.level)
    normal, busy, overloaded = Level
    assert seen == (
        [normal] * (RISES_AFTER - 1)
        + [busy] * RISES_AFTER
        + [overloaded] * FALLS_AFTER
        + [busy] * FALLS_AFTER
        + [normal]
    )


def test_windows_at_the_edge_do_not_flap() -> None:
    busy = Load(Level.BUSY)
    seen = {after([measured(window=w) for w in (0.96, 0.94) * n], busy).level for n in range(30)}
    assert seen == {Level.BUSY}


def test_a_level_says_what_keeps_it() -> None:
    load = after([measured(backlog=7.0)], Load(Level.BUSY))
    assert load == Load(Level.BUSY, ("the oldest delivery that is due has waited 7 s",), leaning=0)


def test_a_full_disk_counts_at_once_and_until_there_is_room() -> None:
    full = after([measured(disk=0.039)])
    assert full.disk_full
    assert after([measured(disk=0.049)], full).disk_full
    assert not after([measured(disk=0.05)], full).disk_full
    assert not after([measured(disk=0.041)]).disk_full


def test_what_is_given_up_only_grows_and_a_full_disk_comes_on_top() -> None:
    assert given_up(Level.NORMAL, disk_full=False) == ()
    assert given_up(Level.NORMAL, disk_full=True) == (Step.ALL_REFUSED,)
    assert given_up(Level.OVERLOADED, disk_full=True)[-1] == Step.ALL_REFUSED
    assert {step for steps in STEPS.values() for step in steps} | {Step.ALL_REFUSED} == set(Step)
