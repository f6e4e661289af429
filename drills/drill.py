"""One drill: load, a fault under it, load; then everything has to arrive and every law to hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg

from drills.aside import Broken
from drills.canaries import Pages, in_logs, in_rows
from drills.laws import SHOWN, Evidence, Ledger, audit, ledger
from drills.processes import Use, grown
from drills.producer import Producer
from drills.repeats import Repeats, repeats
from drills.rig import RATE, Rig
from drills.spans import Span, Watch

QUICK_LOAD, LOAD = 0.7, 2.0
"""Seconds of load before and after a fault, in a quick run and in a full one."""

SLACK, LEAST = 3.0, 6.0
"""So many times as long as is promised, and so long at least, is given on a machine of its own."""

SAMPLE, CROWDED = 0.05, 4.0
"""Seconds of work that show how crowded the machine is, and the most that this is taken to be."""

DRAIN = 120.0
"""Seconds in which nothing is owed any more once the load has ended."""

UP_AGAIN = 30.0
"""Seconds in which whatever was killed last is up again."""


class Repeating(StrEnum):
    """What a fault may make receivers see twice."""

    NEVER = "nothing"
    WINDOW = "what killed processes had in flight"
    RECORDS = "what was sent while it could not be recorded"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, what is expected, and in how many seconds everything is `back`.

    That is when all that was accepted by the end of the fault is delivered, under load. `inject`
    gives what was seen, or raises Broken. `repeats` is what receivers may see twice, and the drill
    holds it to that. `missing` says why it cannot be done here.
    """

    name: str
    expected: str
    inject: Callable[[Rig], str]
    back: float
    repeats: Repeating
    missing: Callable[[Rig], str] = lambda _: ""

    def limit(self, crowding: float = 1.0) -> float:
        """The seconds that it is held to."""
        return max(LEAST, SLACK * self.back) * crowding


def crowding() -> float:
    """How many times as long as alone something takes here now, for what others do meanwhile."""
    began, worked = time.perf_counter(), time.thread_time()
    while time.thread_time() - worked < SAMPLE:
        pass
    return min(CROWDED, max(1.0, (time.perf_counter() - began) / SAMPLE))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One drill, or why it was `not_run`.

    `recovered` is the seconds from the end of the fault, under load, until all that was accepted by
    then was delivered; `took` those of the whole drill. `received` is how many requests the
    receivers saw, `at_risk` what killed processes had in flight.
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
    took: float = 0.0
    before: Ledger = field(default_factory=Ledger)
    after: Ledger = field(default_factory=Ledger)
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """What came of the load and the fault, before the audit."""

    producer: Producer
    opened: list[Span]
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
        self._first: dict[str, Use] = {}
        self._pages = Pages(rig.stack.url, rig.planted)

    def run(self, fault: Fault, *, seconds: float = LOAD) -> Outcome:
        """Load, fault, load; then the audit, once nothing moves any more."""
        if missing := fault.missing(self._rig):
            return Outcome(fault.name, fault.expected, not_run=missing)
        self._count += 1
        self._rig.at_risk = 0
        began = time.monotonic()
        since, before = self._start()
        limit = fault.limit(crowding())
        done = self._under_load(fault, seconds, limit)
        self._accepted |= done.producer.accepted | self._rig.also_accepted
        if self._rig.until_drained(DRAIN) is None:
            done.broken.append(f"did not drain within {DRAIN:.0f} s: {self._rig.owed()}")
            outcome = self._outcome(fault, done)
        else:
            outcome = self._judged(fault, done, since, before)
        return replace(outcome, took=time.monotonic() - began)

    def _under_load(self, fault: Fault, seconds: float, limit: float) -> Done:
        rig, broken = self._rig, []
        journal = rig.folder / f"accepted-{self._count}.jsonl"
        url, key = rig.stack.url, rig.stack.key
        with (
            Watch(rig.database) as watch,
            Producer(url, key, journal, rate=RATE, run=self._count) as producer,
        ):
            rig.producer = producer
            time.sleep(seconds)
            try:
                seen = fault.inject(rig)
            except Broken as words:
                seen = str(words)
                broken.append(seen)
            recovered = rig.until_caught_up(limit)
            if recovered is None:
                broken.append(f"not back within {limit:.0f} s: {rig.owed()} are owed")
                recovered = limit
            time.sleep(seconds)
        broken += _of_load(producer, watch)
        return Done(producer, watch.spans, seen, recovered, broken)

    def _judged(self, fault: Fault, done: Done, since: UUID, before: Ledger) -> Outcome:
        at_risk = self._rig.at_risk
        with self._rig.database() as database:
            found = self._rig.evidence(self._accepted, database, done.opened)
            more, received = self._more(found)
            broken = [*audit(found), *self._leaks(database, since), *self._grown()]
            broken += [*_of_repeats(fault, more, at_risk), *self._rig.auditor.broken()]
            after = ledger(database)
        return replace(
            self._outcome(fault, done),
            received=received,
            repeats=more.total,
            explained=more.explained,
            at_risk=at_risk,
            before=before,
            after=after,
            broken=(*done.broken, *broken),
        )

    def _outcome(self, fault: Fault, done: Done) -> Outcome:
        return Outcome(
            fault=fault.name,
            expected=fault.expected,
            seen=done.seen,
            accepted=len(done.producer.accepted),
            recovered=done.recovered,
            broken=tuple(done.broken),
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
        yield from self._pages.leaks(self._rig.pages(), turn=self._count)

    def _grown(self) -> Iterable[str]:
        """(l) Held against what was there after the first drill."""
        ends = time.monotonic() + UP_AGAIN
        while True:
            now = self._rig.use()
            self._first = self._first or now
            found = list(grown(self._first, now))
            if not found or time.monotonic() > ends:
                return found
            time.sleep(0.2)


def _of_load(producer: Producer, watch: Watch) -> Iterable[str]:
    """What was refused; and of nothing that was accepted or looked at, every law holds."""
    yield from (f"refused: {one}" for one in producer.refused[:SHOWN])
    if not producer.accepted:
        yield "nothing was accepted"
    if not watch.looked:
        yield "it is not known which breakers were open"


def _of_repeats(fault: Fault, more: Repeats, at_risk: int) -> Iterable[str]:
    """(d) No repeat without a cause, and none beyond what was in flight where it was killed."""
    if more.unexplained:
        shown = "; ".join(more.unexplained[:SHOWN])
        yield f"{len(more.unexplained)} repeats are not explained, such as {shown}"
    if more.total and fault.repeats is Repeating.NEVER:
        yield f"{more.total} repeats, though nothing was killed or cut off"
    if more.total > at_risk and fault.repeats is Repeating.WINDOW:
        yield f"{more.total} repeats, and only {at_risk} were in flight where it was killed"
