"""The safe drills and the audit, against a running stack."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from bench.stack import Stack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("live", numbered=True)
    with Stack(folder, workers=1, extra={"REDRIVE_BREAKER_OPEN": "1"}) as found:
        yield found


def manage(environment: Mapping[str, str], *words: str) -> tuple[int, str]:
    """The exit code of a command on the stack, and all that it said."""
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def rows(stack: Stack, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(stack.settings["DATABASE_URL"]) as database:
        return database.execute(query).fetchall()


def test_a_running_system_holds_in_every_safe_drill_and_keeps_nothing_of_it(stack: Stack) -> None:
    code, said = manage(stack.settings, "drill", "--safe")

    assert (code, said.count("held")) == (0, 3), said
    kept = rows(stack, "SELECT name, held FROM monitoring_drill ORDER BY id")
    assert kept == [("publish and deliver", True), ("failing endpoint", True), ("breaker", True)]
    live = "SELECT 1 FROM events_subscription WHERE deleted_at IS NULL"
    assert rows(stack, live) == rows(stack, "SELECT 1 FROM events_owed") == []
    assert rows(stack, "SELECT 1 FROM dlq_deadletter WHERE state = 'open'") == []
    code, said = manage(stack.settings, "audit")
    assert code == 0, said


def test_a_system_that_may_not_send_to_this_machine_is_not_drilled(stack: Stack) -> None:
    closed = {**stack.settings, "REDRIVE_ALLOW_ADDRESSES": ""}

    code, said = manage(closed, "drill", "--safe")

    assert code == 1
    assert "REDRIVE_ALLOW_ADDRESSES" in said


def test_a_drill_that_is_not_said_to_be_safe_is_not_run(stack: Stack) -> None:
    assert manage(stack.settings, "drill")[0] == 1
