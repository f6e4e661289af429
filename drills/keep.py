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


def as_json(outcomes: Sequence[Outcome]) -> str:
    return json.dumps([asdict(one) for one in outcomes], indent=2)


def keep(outcomes: Sequence[Outcome]) -> str:
    """Hands them to the stack of REDRIVE_DATA_DIR, if one runs there; says what came of it."""
    found = Folder(Path(os.environ.get("REDRIVE_DATA_DIR", ".redrive")))
    if found.holder() is None:
        return "not kept for the console: no stack runs here"
    with NamedTemporaryFile("w", suffix=".json") as file:
        file.write(as_json(outcomes))
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
