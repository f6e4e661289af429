"""What every phase measures with: load from another process, a patient look, rows of the table."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    what: str
    value: str
    ceiling: str = ""
    ratio: str = ""


def compared(what: str, value: float, ceiling: float, of: str) -> Line:
    """A rate beside its ceiling."""
    return Line(what, f"{value:,.0f}/s", f"{ceiling:,.0f}/s {of}", f"{value / ceiling:.2f}")


def load(**arguments: object) -> float:
    """Runs bench.load in a process of its own; gives its rate."""
    command = [sys.executable, "-m", "bench.load", json.dumps(arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def received(port: int, what: str) -> Any:
    with urlopen(f"http://127.0.0.1:{port}/{what}", timeout=30) as answer:
        return json.load(answer)


def wait_for(done: Callable[[], bool], what: str) -> None:
    """Polls until it is done; a phase that does not end is named."""
    ends = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > ends:
            raise SystemExit(f"{what} did not end within {PATIENCE:.0f} s")
        time.sleep(0.02)


def table(lines: list[Line]) -> str:
    """The rows, aligned."""
    rows = [("", "measured", "ceiling in this run", "ratio")]
    rows += [(line.what, line.value, line.ceiling, line.ratio) for line in lines]
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
