"""Runs the drills and prints what happened: `make drill`, `make drill-quick`.

Every fault is injected into a stack under load; then the load stops, everything must be delivered
in time, and every law is checked. One broken law, or one lost event, ends it with code 1, and so
does a drill that was asked for by name and cannot be run here. What is left to chance follows from
the seed that is printed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from drills import recovery
from drills.drill import LOAD, QUICK_LOAD, Drill, Fault, Outcome
from drills.faults import LONG, QUICK, cycles
from drills.keep import as_json, keep
from drills.pairs import drawn
from drills.rig import Rig
from drills.table import line, table


def main() -> int:
    """The drills of this run, in order; 1 if a law was broken."""
    options = _options()
    random.seed(options.seed)
    print(f"seed {options.seed}", flush=True)
    outcomes: list[Outcome] = []
    began = time.monotonic()
    for outcome in _run(options):
        outcomes.append(outcome)
        print(line(outcome), flush=True)
    if options.keep:
        options.keep.write_text(as_json(outcomes))
    print(f"\n{table(outcomes)}\n")
    print(_sum(outcomes, time.monotonic() - began))
    print(keep(outcomes))
    return 1 if failed(outcomes, named=bool(options.only)) else 0


def failed(outcomes: Sequence[Outcome], *, named: bool) -> bool:
    """Whether a law was broken, or nothing was shown: no drill ran, or not one that was `named`."""
    if any(one.broken for one in outcomes):
        return True
    ran = [one for one in outcomes if not one.not_run]
    return not ran or (named and len(ran) < len(outcomes))


def _run(options: argparse.Namespace) -> Iterator[Outcome]:
    if faults := [fault for fault in _faults(options) if _wanted(fault.name, options)]:
        with TemporaryDirectory(prefix="redrive-drill-") as folder, Rig(Path(folder)) as rig:
            rig.full = not options.quick
            drill = Drill(rig)
            for fault in faults:
                yield drill.run(fault, seconds=QUICK_LOAD if options.quick else LOAD)
    if not options.quick and _wanted(recovery.NAME, options):
        yield recovery.run()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drills")
    parser.add_argument("--quick", action="store_true", help="the short ones, one cycle")
    parser.add_argument("--only", default="", help="drills whose name holds one of these, by comma")
    parser.add_argument("--kills", type=int, default=100, help="kills of random processes")
    parser.add_argument("--pairs", type=int, default=20, help="pairs of faults at the same moment")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault is injected")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of the dice")
    parser.add_argument("--keep", type=Path, help="a file for the results, as JSON")
    options = parser.parse_args()
    names = [
        *(fault.name for fault in _faults(options)),
        *([] if options.quick else [recovery.NAME]),
    ]
    for part in _parts(options):
        if not any(part in name for name in names):
            parser.error(f"no drill of this run has {part!r} in its name")
    return options


def _faults(options: argparse.Namespace) -> list[Fault]:
    """All of this kind of run."""
    if options.quick:
        return [*QUICK]
    pairs = drawn(random.Random(options.seed), options.pairs)
    return [*QUICK, *LONG] * options.rounds + [*pairs, cycles(options.kills)]


def _wanted(name: str, options: argparse.Namespace) -> bool:
    return any(part in name for part in _parts(options))


def _parts(options: argparse.Namespace) -> list[str]:
    return [part.strip() for part in options.only.split(",")]


def _sum(outcomes: Sequence[Outcome], took: float) -> str:
    broken = sum(bool(one.broken) for one in outcomes)
    accepted = sum(one.accepted for one in outcomes)
    not_run = sum(bool(one.not_run) for one in outcomes)
    return (
        f"{len(outcomes) - not_run} drills in {took:.0f} s, "
        f"{not_run} not run, {accepted:,} events accepted, {broken} with a broken law"
    )


if __name__ == "__main__":
    sys.exit(main())
