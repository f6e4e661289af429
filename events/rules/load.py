"""How loaded the system is, from what was measured, and what is given up at each level.

The level rises at once and falls one step at a time, only when every measure is well below what
raised it: a system at the edge does not flap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    NORMAL = "normal"
    BUSY = "busy"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the level is judged by.

    `backlog` is the age in seconds of the oldest delivery that could be sent now, `commit` a
    commit's milliseconds, `window` and `disk_free` are parts of 1; None where it is not known.
    """

    backlog: float
    commit: float
    window: float
    disk_free: float | None


@dataclass(frozen=True, slots=True)
class Load:
    """The level, the reasons in words, and whether the disk is too full to accept anything."""

    level: Level
    reasons: Sequence[str]
    disk_full: bool


BUSY = Measured(backlog=10.0, commit=100.0, window=0.95, disk_free=0.15)
OVERLOADED = Measured(backlog=60.0, commit=500.0, window=1.01, disk_free=0.08)
DISK_FULL = 0.04
"""The part of the disk that is left to Postgres itself."""

CALM = 0.6
"""The part of a limit that a measure must fall below before the level falls."""

_ORDER = list(Level)

STEPS: dict[Level, Sequence[str]] = {
    Level.NORMAL: (),
    Level.BUSY: (
        "the console shows a frame every 2 s",
        "replays run at a tenth of their rate",
    ),
    Level.OVERLOADED: (
        "the console shows a frame every 5 s",
        "response bodies are not kept",
        "replays wait",
        "publishes of low priority are refused with 429",
    ),
}
"""What each level gives up, in this order; the steps of a level are undone when it falls."""


def assess(now: Measured, before: Level) -> Load:
    """The load after one more measurement."""
    reasons = _exceeded(now, OVERLOADED, 1.0)
    level = Level.OVERLOADED if reasons else Level.NORMAL
    if not reasons and (reasons := _exceeded(now, BUSY, 1.0)):
        level = Level.BUSY
    if _ORDER.index(level) < _ORDER.index(before):
        level, reasons = _fall(now, before, reasons)
    full = now.disk_free is not None and now.disk_free < DISK_FULL
    return Load(level, tuple(reasons), full)


def _fall(now: Measured, before: Level, reasons: list[str]) -> tuple[Level, list[str]]:
    """One step down, if what raised the level is well below its limit."""
    limit = OVERLOADED if before is Level.OVERLOADED else BUSY
    if still := _exceeded(now, limit, CALM):
        return before, still
    return _ORDER[_ORDER.index(before) - 1], reasons


def _exceeded(now: Measured, limit: Measured, part: float) -> list[str]:
    found = []
    if now.backlog > limit.backlog * part:
        found.append(f"the oldest delivery that is due has waited {now.backlog:.0f} s")
    if now.commit > limit.commit * part:
        found.append(f"a commit takes {now.commit:.0f} ms")
    if now.window > limit.window:
        found.append(f"{now.window:.0%} of the workers' windows is in use")
    if now.disk_free is not None and limit.disk_free and now.disk_free < limit.disk_free / part:
        found.append(f"{now.disk_free:.0%} of the disk is free")
    return found
