"""Which Celery workers hear that there is work: each process says how many pumps it was asked for.

A worker hears for its processes. One whose processes live, have nothing to do and were asked for no
pump, though the broker took very many, is deaf: it listens on a connection that nobody answers. The
dispatcher's heartbeat names it, its processes read so and end it, and it is started anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from events.models import Heartbeat

ENDS_AFTER = 60.0
"""Seconds without a hint after which a worker is to end. One that lost its broker waits up to 30
before it tries it again, and must not be taken for deaf."""

HINTS = 100
"""Hints that were taken meanwhile, at least: the broker hands them to whoever waits longest."""


@dataclass(slots=True)
class _Worker:
    """`heard` by process; `hints` were asked for `since`, when it had last heard one."""

    heard: dict[str, object]
    hints: int = 0
    since: float | None = None


class Ears:
    """What one dispatcher knows of who hears it. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}

    def listen(self, processes: Sequence[Heartbeat]) -> None:
        """Takes what worker processes say of themselves."""
        heard: dict[str, dict[str, object]] = defaultdict(dict)
        for one in processes:
            heard[str(one.load.get("worker", one.name))][one.name] = one.load.get("heard")
        busy = {one.load.get("worker", one.name) for one in processes if one.doing == "pumping"}
        known = self._workers
        self._workers = {
            name: known[name]
            if name in known and known[name].heard == counts and name not in busy
            else _Worker(counts)
            for name, counts in heard.items()
        }

    def asked(self, hints: int, *, now: float) -> None:
        """The broker took so many hints."""
        for one in self._workers.values():
            one.since = now if one.since is None else one.since
            one.hints += hints

    def refused(self) -> None:
        """The broker took none: who heard nothing of it is not deaf."""
        for one in self._workers.values():
            one.hints, one.since = 0, None

    def unanswered(self, now: float) -> float:
        """Seconds for which no worker at all has heard a hint."""
        silent = [0.0 if one.since is None else now - one.since for one in self._workers.values()]
        return min(silent, default=0.0)

    def deaf(self, now: float) -> list[str]:
        """Those that are to end."""
        return [
            name
            for name, one in self._workers.items()
            if one.since is not None and now - one.since > ENDS_AFTER and one.hints >= HINTS
        ]
