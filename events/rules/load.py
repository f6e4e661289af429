"""How loaded the system is, from what was measured, and what is given up at each level.

The level moves one step at a time, only after several measurements in a row that agree, and falls
only when every measure is well below what raises it: one slow commit sheds nothing, and a system
at the edge does not flap. A full disk alone counts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    NORMAL = "normal"
    BUSY = "busy"
    OVERLOADED = "overloaded"


class Step(StrEnum):
    """Something that is given up, in words that follow "So"."""

    FRAMES_EVERY_2_S = "the console shows a frame every 2 s"
    INDEX_RESTS = "what new events say is not indexed for search"
    REPLAYS_AT_A_TENTH = "replays run at a tenth of their rate"
    FRAMES_EVERY_5_S = "the console shows a frame every 5 s"
    NO_BODIES = "the bodies of successful answers are not kept"
    NEWEST_SEARCHED = "searches look at the newest thousand events only"
    NO_FILES = "lists are not given as files"
    REPLAYS_WAIT = "replays wait"
    LOW_REFUSED = "publishes of low priority are refused with 429"
    ALL_REFUSED = "every publish is refused with 503"


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
    """The level, the reasons in words, and whether the disk is too full to accept anything.

    `leaning` is how many measurements in a row asked for a higher level, or, below 0, allowed a
    lower one.
    """

    level: Level = Level.NORMAL
    reasons: Sequence[str] = ()
    disk_full: bool = False
    leaning: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What raises to a level, and what is still enough to keep it."""

    enter: Measured
    keep: Measured


NEVER = float("inf")

LIMITS = {
    Level.BUSY: Limits(
        enter=Measured(backlog=10.0, commit=100.0, window=0.95, disk_free=0.15),
        keep=Measured(backlog=6.0, commit=60.0, window=0.80, disk_free=0.18),
    ),
    Level.OVERLOADED: Limits(
        enter=Measured(backlog=60.0, commit=500.0, window=NEVER, disk_free=0.08),
        keep=Measured(backlog=36.0, commit=300.0, window=NEVER, disk_free=0.10),
    ),
}

DISK_FULL, DISK_ROOM = 0.04, 0.05
"""The part of the disk that is left to Postgres itself, and that ends the refusals again."""

RISES_AFTER, FALLS_AFTER = 3, 10
"""Measurements in a row, one a second, before the level goes up or down a step."""

_ORDER = list(Level)

STEPS: dict[Level, Sequence[Step]] = {
    Level.NORMAL: (),
    Level.BUSY: (Step.FRAMES_EVERY_2_S, Step.INDEX_RESTS, Step.REPLAYS_AT_A_TENTH),
    Level.OVERLOADED: (
        Step.FRAMES_EVERY_5_S,
        Step.NO_BODIES,
        Step.INDEX_RESTS,
        Step.NEWEST_SEARCHED,
        Step.NO_FILES,
        Step.REPLAYS_WAIT,
        Step.LOW_REFUSED,
    ),
}
"""What each level gives up; the steps of a level are undone when it falls."""


def given_up(level: Level, *, disk_full: bool) -> Sequence[Step]:
    """Everything that is given up now, what is missed least first."""
    return (*STEPS[level], Step.ALL_REFUSED) if disk_full else STEPS[level]


def assess(now: Measured, before: Load) -> Load:
    """The load after one more measurement."""
    level, leaning = before.level, _leaning(now, before)
    if leaning >= RISES_AFTER:
        level, leaning = _ORDER[_ORDER.index(level) + 1], 0
    elif leaning <= -FALLS_AFTER:
        level, leaning = _ORDER[_ORDER.index(level) - 1], 0
    reasons = _beyond(now, LIMITS[level].keep) if level in LIMITS else []
    limit = DISK_ROOM if before.disk_full else DISK_FULL
    full = now.disk_free is not None and now.disk_free < limit
    return Load(level, tuple(reasons), full, leaning)


def _leaning(now: Measured, before: Load) -> int:
    above = _ORDER[_ORDER.index(before.level) + 1 :]
    if above and _beyond(now, LIMITS[above[0]].enter):
        return max(0, before.leaning) + 1
    if before.level in LIMITS and not _beyond(now, LIMITS[before.level].keep):
        return min(0, before.leaning) - 1
    return 0


def _beyond(now: Measured, limit: Measured) -> list[str]:
    found = []
    if now.backlog > limit.backlog:
        found.append(f"the oldest delivery that is due has waited {now.backlog:.0f} s")
    if now.commit > limit.commit:
        found.append(f"a commit takes {now.commit:.0f} ms")
    if now.window > limit.window:
        found.append(f"{now.window:.0%} of the workers' windows is in use")
    if now.disk_free is not None and limit.disk_free and now.disk_free < limit.disk_free:
        found.append(f"{now.disk_free:.0%} of the disk is free")
    return found
