"""One drill: load, a fault under it, load; then everything has to arrive and every law to hold."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg

from drills.aside import Broken
from drills.canaries import Pages, in_logs, in_rows
from drills.laws import SHOWN, Evidence, Ledger, audit, ledger
from drills.producer import Producer
from drills.repeats import Repeats, repeats
from drills.rig import Rig

LOAD = 2.0
"""Seconds of load before and after a fault."""

RATE = 100.0


class Repeating(StrEnum):
    """What a fault may make receivers see twice."""

    NEVER = "nothing"
    WINDOW = "what killed processes had in flight"
    RECORDS = "what was sent while it could not be recorded"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, what is expected, and within how many seconds all is delivered again.

    `inject` gives what was seen, or raises Broken. `repeats` is what receivers may see twice, and
    the drill holds it to that. `missing` says why it cannot be done here.
    """

    name: str
    expected: str
    inject: Callable[[Rig], str]
    within: float
    repeats: Repeating
    missing: Callable[[Rig], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One drill, or why it was `not_run`.

    `recovered` is the seconds from the end of the fault, under load, until all that was accepted by
    then was delivered; `received` is how many requests the receivers saw; `at_risk` is what killed
    processes had in flight.
    """

    fault: str
    expected: str
    seen: str = ""
    not_run: str = ""
    accepted: int = 0
    received: int = 0
    repeats: int = 0
    explained: int = 0
    at_risk: int = 0
    recovered: float = 0.0
    before: Ledger = field(default_factory=Ledger)
    after: Ledger = field(default_factory=Ledger)
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What came of the load and the fault, before the audit."""

    producer: Producer
    seen: str
    recovered: float
    broken: list[str]


class Drill:
    """One rig, and what all its drills accepted so far: later drills audit the earlier ones too."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._accepted: dict[str, str] = {}
        self._received = 0
        self._repeats = Repeats()
        self._count = 0
        self._pages = Pages(rig.stack.url, rig.planted)

    def run(self, fault: Fault, *, seconds: float = LOAD) -> Outcome:
        """Load, fault, load; then the audit."""
        if missing := fault.missing(self._rig):
            return Outcome(fault.name, fault.expected, not_run=missing)
        self._count += 1
        self._rig.at_risk = 0
        since, before = self._start()
        done = self._under_load(fault, seconds)
        self._accepted |= done.producer.accepted | self._rig.also_accepted
        self._rig.until_drained(fault.within)
        return self._judged(fault, done, since, before)

    def _under_load(self, fault: Fault, seconds: float) -> Done:
        rig, broken = self._rig, []
        journal = rig.folder / f"accepted-{self._count}.jsonl"
        url, key = rig.stack.url, rig.stack.key
        with Producer(url, key, journal, rate=RATE, run=self._count) as producer:
            rig.producer = producer
            time.sleep(seconds)
            try:
                seen = fault.inject(rig)
            except Broken as words:
                seen = str(words)
                broken.append(seen)
            recovered = rig.until_caught_up(fault.within)
            time.sleep(seconds)
        broken += [f"refused: {one}" for one in producer.refused[:SHOWN]]
        return Done(producer, seen, recovered, broken)

    def _judged(self, fault: Fault, done: Done, since: UUID, before: Ledger) -> Outcome:
        at_risk = self._rig.at_risk
        with self._rig.database() as database:
            found = self._rig.evidence(self._accepted, database)
            more, received = self._more(found)
            broken = [*done.broken, *audit(found), *self._leaks(database, since)]
            after = ledger(database)
        broken += [*_of_repeats(fault, more, at_risk), *self._audited()]
        return Outcome(
            fault=fault.name,
            expected=fault.expected,
            seen=done.seen,
            accepted=len(done.producer.accepted),
            received=received,
            repeats=more.total,
            explained=more.explained,
            at_risk=at_risk,
            recovered=done.recovered,
            before=before,
            after=after,
            broken=tuple(broken),
        )

    def _start(self) -> tuple[UUID, Ledger]:
        """The first id of what is to come, and the ledger as it stands."""
        now = time.time_ns() // 1_000_000
        with self._rig.database() as database:
            return UUID(int=now << 80), ledger(database)

    def _more(self, found: Evidence) -> tuple[Repeats, int]:
        """The repeats and requests of this drill alone."""
        seen, count = repeats(found), len(found.received)
        more, received = seen.since(self._repeats), count - self._received
        self._repeats, self._received = seen, count
        return more, received

    def _leaks(self, database: psycopg.Connection[Any], since: UUID) -> Iterable[str]:
        planted = self._rig.planted
        yield from in_logs(planted, self._rig.folder.glob("*.log"))
        yield from in_rows(planted, database, since=since)
        yield from self._pages.leaks(self._rig.pages())

    def _audited(self) -> list[str]:
        """The laws that the product itself knows: manage.py audit."""
        environ = {**os.environ, **self._rig.stack.settings}
        done = subprocess.run(
            [sys.executable, "manage.py", "audit"],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode == 0:
            return []
        lines = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
        return [f"manage.py audit: {' '.join(lines[:SHOWN]) or done.stderr.strip()[-300:]}"]


def _of_repeats(fault: Fault, more: Repeats, at_risk: int) -> Iterable[str]:
    """(d) No repeat without a cause, and none beyond what was in flight where it was killed."""
    if more.unexplained:
        shown = "; ".join(more.unexplained[:SHOWN])
        yield f"{len(more.unexplained)} repeats are not explained, such as {shown}"
    if more.total and fault.repeats is Repeating.NEVER:
        yield f"{more.total} repeats, though nothing was killed or cut off"
    if more.total > at_risk and fault.repeats is Repeating.WINDOW:
        yield f"{more.total} repeats, and only {at_risk} were in flight where it was killed"
