"""Pairs of faults are drawn by a seed, and never of two that are in each other's way."""

from __future__ import annotations

import random

from drills.drill import Outcome, Repeating
from drills.keep import PAIRS, kept
from drills.pairs import AND, HALVES, drawn

PARTS = {half.name: half.part for half in HALVES}


def test_a_seed_draws_the_same_pairs_again() -> None:
    names = [pair.name for pair in drawn(random.Random(7), 20)]
    assert names == [pair.name for pair in drawn(random.Random(7), 20)]
    assert names != [pair.name for pair in drawn(random.Random(8), 20)]
    assert len(set(names)) == 20


def test_two_faults_of_one_part_are_no_pair() -> None:
    every = drawn(random.Random(1), 10_000)
    parts = [{PARTS[name] for name in pair.name.split(AND)} for pair in every]
    assert all(len(both) == 2 for both in parts)
    counts = [list(PARTS.values()).count(part) for part in sorted(set(PARTS.values()))]
    assert len(every) == (sum(counts) ** 2 - sum(count**2 for count in counts)) // 2


def test_a_pair_may_repeat_and_take_what_both_may() -> None:
    by_name = {pair.name: pair for pair in drawn(random.Random(1), 10_000)}
    assert by_name["web dies + FLUSHALL"].repeats is Repeating.NEVER
    assert by_name["all workers die + FLUSHALL"].repeats is Repeating.WINDOW
    both = by_name["all workers die + PostgreSQL crashes"]
    assert both.repeats is Repeating.RECORDS
    back = {half.name: half.back for half in HALVES}
    assert both.back == back["all workers die"] + back["PostgreSQL crashes"]


def outcome(fault: str, *, recovered: float, broken: tuple[str, ...] = ()) -> Outcome:
    return Outcome(fault, "nothing lost", accepted=10, recovered=recovered, broken=broken)


def test_the_console_is_given_the_worst_of_each_and_all_pairs_as_one() -> None:
    found = kept(
        [
            outcome("web dies", recovered=1, broken=("lost",)),
            outcome("web dies", recovered=9),
            outcome("FLUSHALL", recovered=1),
            outcome("FLUSHALL", recovered=2),
            outcome("web dies + FLUSHALL", recovered=3),
            outcome("web dies + table locked", recovered=2, broken=("lost",)),
        ]
    )
    assert [(one.fault, one.recovered, one.broken) for one in found] == [
        ("web dies", 1, ("lost",)),
        ("FLUSHALL", 2, ()),
        (PAIRS, 3, ("web dies + table locked: lost",)),
    ]
    assert found[-1].accepted == 20
