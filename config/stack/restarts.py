"""When a process that ended is started again: pure, the clock is an argument."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 0.5
LONGEST = 30.0
"""Seconds before a restart: FIRST, doubled for each exit in a row, at most LONGEST."""

STEADY = 60.0
"""Seconds of running after which earlier exits no longer count."""

LOOP = 5
"""Exits within STEADY that make a crash loop."""

REST = 300.0
"""Seconds between two tries in a crash loop."""


@dataclass(frozen=True, slots=True)
class History:
    """The exits of one service; `streak` counts those in a row after runs shorter than STEADY."""

    exits: tuple[float, ...] = ()
    streak: int = 0
    looping: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """Start again after `delay` seconds."""

    delay: float
    looping: bool


def after_exit(history: History, *, started: float, now: float) -> tuple[History, Restart]:
    """What the exit of a process that ran from `started` to `now` means. Times in seconds."""
    steady = now - started >= STEADY
    streak = 1 if steady else history.streak + 1
    exits = (*(at for at in history.exits if now - at < STEADY), now)
    looping = len(exits) >= LOOP or (history.looping and not steady)
    delay = REST if looping else min(LONGEST, FIRST * 2.0 ** min(streak - 1, 16))
    return History(exits, streak, looping), Restart(delay, looping)
