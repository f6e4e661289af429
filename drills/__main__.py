"""Runs the drills and prints what happened: `make drill`, `make drill-quick`.

Every fault is injected into a stack under load; then the load stops, everything must be delivered
in time, and every law is checked. One broken law, or one lost event, ends it with code 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from drills.faults import FAULTS, Fault, kill_worker_child
from drills.laws import Ledger, audit, ledger, repeats
from drills.producer import Producer
from drills.rig import Rig

LOAD = 2.0
"""Seconds of load before and after a fault."""

RATE = 100.0

ROLES = ("worker child", "worker", "dispatcher", "web")

MINUTE = 60.0
KILLS_A_MINUTE = 1
"""Of one role but the workers' children, whom Celery replaces at once: the supervisor waits twice
as long after each exit that follows another within a minute, and in the end calls it a loop."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One drill: `recovered` is the seconds from the end of the load to the last delivery.

    `requests` is how many the receivers saw in it, `repeats` how many of them
    they had taken before.
    """

    fault: str
    expected: str
    accepted: int
    requests: int
    repeats: int
    recovered: float
    before: Ledger
    after: Ledger
    broken: list[str]


class Drill:
    """One rig, and what all its drills accepted so far: later drills audit the earlier ones too."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._accepted: dict[str, str] = {}
        self._requests = 0
        self._repeats = 0
        self._count = 0

    def run(self, fault: Fault, *, seconds: float = LOAD) -> Outcome:
        """Load, fault, load; then the audit."""
        self._count += 1
        journal = self._rig.folder / f"accepted-{self._count}.jsonl"
        stack = self._rig.stack
        with self._rig.database() as database:
            before = ledger(database)
        with Producer(stack.url, stack.key, journal, rate=RATE, run=self._count) as producer:
            time.sleep(seconds)
            fault.inject(self._rig)
            time.sleep(seconds)
        self._accepted |= producer.accepted
        recovered = self._rig.until_drained(fault.within)
        with self._rig.database() as database:
            found = self._rig.evidence(self._accepted, database)
            broken = audit(found) + [f"refused: {one}" for one in producer.refused[:3]]
            after = ledger(database)
        more = repeats(found) - self._repeats
        seen = len(found.received) - self._requests
        self._repeats += more
        self._requests += seen
        if more and not fault.may_repeat:
            broken.append(f"{more} repeats, though nothing was killed")
        return Outcome(
            fault=fault.name,
            expected=fault.expected,
            accepted=len(producer.accepted),
            requests=seen,
            repeats=more,
            recovered=recovered,
            before=before,
            after=after,
            broken=broken,
        )


def show(outcome: Outcome) -> str:
    """One line of the table, and one for each broken law."""
    verdict = "held" if not outcome.broken else "BROKEN"
    line = (
        f"{verdict:7}{outcome.fault:34}{outcome.expected:40}{outcome.accepted:>8,}"
        f"{outcome.requests:>9,}{outcome.repeats:>8}{outcome.recovered:>9.1f} s"
    )
    sums = f"       ledger before {outcome.before}; after {outcome.after}"
    return "\n".join([line, sums, *(f"       {words}" for words in outcome.broken)])


def cycles(count: int) -> Fault:
    """Many kills of random processes under one long load."""

    def inject(rig: Rig) -> None:
        killed: list[tuple[str, float]] = []
        for _ in range(count):
            role = _victim(killed)
            killed.append((role, time.monotonic()))
            if role == "worker child":
                kill_worker_child(rig)
            else:
                for process in rig.processes(role):
                    process.kill()
            time.sleep(random.uniform(1.0, 4.0))

    return Fault(f"{count} kills of random processes", "nothing lost", inject, 120, quick=False)


def _victim(killed: list[tuple[str, float]]) -> str:
    """A role that was not killed so often that the supervisor would take it for a crash loop."""
    since = time.monotonic() - MINUTE
    lately = [role for role, at in killed if at > since]
    spared = [
        role for role in ROLES if role != "worker child" and lately.count(role) >= KILLS_A_MINUTE
    ]
    return random.choice([role for role in ROLES if role not in spared] or ["worker child"])


def main() -> int:
    """The drills of this run, in order; 1 if a law was broken."""
    parser = argparse.ArgumentParser(prog="drills")
    parser.add_argument("--quick", action="store_true", help="the short ones, one cycle")
    parser.add_argument("--only", help="drills whose name holds this text")
    parser.add_argument("--kills", type=int, default=100, help="kills of the full run's last drill")
    parser.add_argument("--keep", type=Path, help="a file for the results, as JSON")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if fault.quick or not options.quick]
    if not options.quick:
        faults.append(cycles(options.kills))
    if options.only:
        faults = [fault for fault in faults if options.only in fault.name]
    outcomes = []
    print(
        f"{'':7}{'fault':34}{'expected':40}{'accepted':>8}{'requests':>9}{'repeats':>8}{'recovered':>11}"
    )
    with TemporaryDirectory(prefix="redrive-drill-") as folder, Rig(Path(folder)) as rig:
        drill = Drill(rig)
        for fault in faults:
            outcomes.append(drill.run(fault))
            print(show(outcomes[-1]), flush=True)
    if options.keep:
        options.keep.write_text(json.dumps([asdict(one) for one in outcomes], indent=2))
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    accepted = sum(outcome.accepted for outcome in outcomes)
    print(f"{len(outcomes)} drills, {accepted:,} events accepted, {broken} with a broken law")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
