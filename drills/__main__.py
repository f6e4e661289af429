"""Runs the drills and prints what happened: `make drill`, `make drill-quick`.

Every fault is injected into a stack under load; then the load stops, everything must be delivered
in time, and every law is checked. One broken law, or one lost event, ends it with code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from drills.drill import Drill, Fault, Outcome
from drills.faults import LONG, QUICK, cycles
from drills.rig import Rig
from drills.table import line, table

QUICK_LOAD, LOAD = 1.0, 2.0
"""Seconds of load before and after a fault."""


def main() -> int:
    """The drills of this run, in order; 1 if a law was broken."""
    options = _options()
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with TemporaryDirectory(prefix="redrive-drill-") as folder, Rig(Path(folder)) as rig:
        rig.full = not options.quick
        drill = Drill(rig)
        for fault in _chosen(options):
            outcomes.append(drill.run(fault, seconds=QUICK_LOAD if options.quick else LOAD))
            print(line(outcomes[-1]), flush=True)
    if options.keep:
        options.keep.write_text(json.dumps([asdict(one) for one in outcomes], indent=2))
    print(f"\n{table(outcomes)}\n")
    broken = sum(bool(outcome.broken) for outcome in outcomes)
    accepted = sum(outcome.accepted for outcome in outcomes)
    not_run = sum(bool(outcome.not_run) for outcome in outcomes)
    print(
        f"{len(outcomes) - not_run} drills in {time.monotonic() - began:.0f} s, "
        f"{not_run} not run, {accepted:,} events accepted, {broken} with a broken law"
    )
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="drills")
    parser.add_argument("--quick", action="store_true", help="the short ones, one cycle")
    parser.add_argument("--only", default="", help="drills whose name holds one of these, by comma")
    parser.add_argument("--kills", type=int, default=100, help="kills of the full run's last drill")
    parser.add_argument("--keep", type=Path, help="a file for the results, as JSON")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Fault]:
    faults = [*QUICK] if options.quick else [*QUICK, *LONG, cycles(options.kills)]
    wanted = options.only.split(",")
    return [fault for fault in faults if any(part.strip() in fault.name for part in wanted)]


if __name__ == "__main__":
    sys.exit(main())
