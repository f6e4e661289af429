"""A run of the drills fails where a law broke, and where it showed nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from drills.__main__ import failed
from drills.drill import Outcome, _of_load
from drills.producer import Producer
from drills.spans import Watch
from drills.table import line, table

HELD = Outcome("web dies", "nothing lost", accepted=10)
BROKEN = Outcome("FLUSHALL", "nothing lost", accepted=10, broken=("lost_events: 1, such as x",))
NOT_RUN = Outcome("resolver down", "our fault", not_run="port 53 needs root")


@pytest.mark.parametrize(
    ("outcomes", "in_all", "by_name"),
    [
        ([HELD, HELD], False, False),
        ([HELD, BROKEN, HELD], True, True),
        ([NOT_RUN, BROKEN], True, True),
        ([HELD, NOT_RUN], False, True),
        ([NOT_RUN], True, True),
        ([], True, True),
    ],
    ids=["held", "broken", "broken and not run", "held and not run", "not run", "nothing"],
)
def test_a_broken_law_fails_a_run_and_so_does_what_was_named_and_not_run(
    outcomes: list[Outcome], *, in_all: bool, by_name: bool
) -> None:
    assert failed(outcomes, named=False) is in_all
    assert failed(outcomes, named=True) is by_name


def test_what_is_printed_says_which_law_broke_and_what_was_not_run() -> None:
    assert line(HELD).startswith("held ")
    assert line(NOT_RUN).startswith("not run ")
    first, law = line(BROKEN).split("\n")
    assert first.startswith("BROKEN ")
    assert law.endswith("BROKEN LAW: lost_events: 1, such as x")
    assert "**BROKEN**: lost_events: 1, such as x" in table([BROKEN])
    assert "not run: port 53 needs root" in table([NOT_RUN])


def test_a_drill_without_load_or_without_a_look_at_the_breakers_is_broken(tmp_path: Path) -> None:
    producer = Producer("http://127.0.0.1:9", "key", tmp_path / "accepted", rate=1, run=1)
    watch = Watch(lambda: psycopg.connect("host=/nowhere"))
    assert list(_of_load(producer, watch)) == [
        "nothing was accepted",
        "it is not known which breakers were open",
    ]

    producer.accepted["1-1-1"], watch.looked = "evt_x", True
    assert list(_of_load(producer, watch)) == []

    producer.refused += ["a: 400", "b: 500", "c: no answer for 60 s", "d: 400"]
    assert list(_of_load(producer, watch)) == [f"refused: {one}" for one in producer.refused[:3]]


@pytest.mark.parametrize(
    "words",
    [["--only", "frozen,slient"], ["--quick", "--only", "restore from backup"]],
    ids=["misspelt", "not in a quick run"],
)
def test_a_drill_that_is_named_and_not_there_ends_the_run_before_it_begins(
    words: list[str],
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "drills", *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no drill of this run has " in done.stderr
    assert done.stdout == ""
