"""The last day of many lanes, each as a strip that is small enough for a row of a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from monitoring.lanes import CELLS, Cell, first_cell
from monitoring.models import LaneQuarter
from monitoring.models.lane import QUARTER

STEP, WIDTH = 6, 5
MIDDLE = {"healthy": 52, "degraded": 46, "failing": 40}
"""Of lines that stand on the ground at 80. Worse is higher, so that colour is not all there is."""


@dataclass(frozen=True, slots=True)
class Strip:
    """`paths` by state: quarters beside each other are one line, which is dashed into cells.

    `bad` counts the quarters in which something failed.
    """

    paths: Mapping[str, str]
    attempts: int
    failures: int
    bad: int


def strips_of(subscriptions: Collection[UUID], now: datetime) -> Mapping[UUID, Strip]:
    """One query, at most CELLS index rows a lane."""
    first = first_cell(now)
    found = LaneQuarter.objects.since(first).filter(subscription__in=list(subscriptions))
    kept: dict[UUID, dict[datetime, Cell]] = {one: {} for one in subscriptions}
    for lane, at, attempts, failures in found.values_list(
        "subscription", "at", "attempts", "failures"
    ):
        kept[lane][at] = Cell(at, attempts, failures)
    moments = [first + QUARTER * place for place in range(CELLS)]
    return {
        lane: _strip([cells.get(at) or Cell(at, 0, 0) for at in moments])
        for lane, cells in kept.items()
    }


def _strip(cells: Sequence[Cell]) -> Strip:
    lines: dict[str, list[str]] = defaultdict(list)
    place = 0
    for state, alike in groupby(cells, key=lambda cell: cell.state):
        many = len(list(alike))
        if state in MIDDLE:
            lines[state].append(f"M{place * STEP} {MIDDLE[state]}h{many * STEP - STEP + WIDTH}")
        place += many
    return Strip(
        paths={state: "".join(parts) for state, parts in lines.items()},
        attempts=sum(cell.attempts for cell in cells),
        failures=sum(cell.failures for cell in cells),
        bad=sum(1 for cell in cells if cell.failures),
    )
