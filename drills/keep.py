"""Where the results of a run go: into the system that runs here, for its page of drills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile

from config.stack.folder import Folder, read_values
from drills.drill import Outcome
from drills.pairs import AND

PAIRS = "pairs of faults"


def as_json(outcomes: Sequence[Outcome]) -> str:
    return json.dumps([asdict(one) for one in outcomes], indent=2)


def kept(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """One of each fault, the worst of its rounds, and one of all pairs: the next run draws others.

    The console shows the last run of each name, so a name must come again.
    """
    worst: dict[str, Outcome] = {}
    for one in outcomes:
        if AND not in one.fault:
            before = worst.get(one.fault, one)
            worst[one.fault] = max(before, one, key=lambda it: (bool(it.broken), it.recovered))
    pairs = [one for one in outcomes if AND in one.fault]
    return [*worst.values(), *([_as_one(pairs)] if pairs else [])]


def _as_one(pairs: Sequence[Outcome]) -> Outcome:
    slowest = max(pairs, key=lambda one: one.recovered)
    return Outcome(
        fault=PAIRS,
        expected=slowest.expected,
        seen=f"{len(pairs)} pairs at the same moment; slowest to recover: {slowest.fault}",
        accepted=sum(one.accepted for one in pairs),
        received=sum(one.received for one in pairs),
        repeats=sum(one.repeats for one in pairs),
        explained=sum(one.explained for one in pairs),
        at_risk=sum(one.at_risk for one in pairs),
        recovered=slowest.recovered,
        took=sum(one.took for one in pairs),
        before=pairs[0].before,
        after=pairs[-1].after,
        broken=tuple(f"{one.fault}: {words}" for one in pairs for words in one.broken),
    )


def keep(outcomes: Sequence[Outcome]) -> str:
    """Hands them to the stack of REDRIVE_DATA_DIR, if one runs there; says what came of it."""
    found = Folder(Path(os.environ.get("REDRIVE_DATA_DIR", ".redrive")))
    if found.holder() is None:
        return "not kept for the console: no stack runs here"
    with NamedTemporaryFile("w", suffix=".json") as file:
        file.write(as_json(kept(outcomes)))
        file.flush()
        done = subprocess.run(
            [sys.executable, "manage.py", "drill", "--store", file.name],
            env={**os.environ, **read_values(found.environment)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    if done.returncode:
        return f"not kept for the console: {done.stderr.strip()[-300:]}"
    return "kept for the console: /drills/"
