"""The processes as their heartbeats show them: which live, which are missed, which are not well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from events.models import Heartbeat
from events.models.process import GONE_AFTER, OUT, SUSPECT_AFTER, Role
from monitoring.models import Kind, Side
from monitoring.seen import Seen, spelled

SHOWN_FOR = timedelta(minutes=10)
"""For how long a process that is gone is shown, and missed if nothing took its place."""

MISSED_AFTER = timedelta(seconds=30)

CLOCK_OFF = 30.0
"""Seconds off PostgreSQL's clock that somebody should know of; at 60 it is out of rotation."""

DEAF_AFTER = 30
"""Seconds in which workers that live should have heard that there is work."""

PAGE = "/health/"


@dataclass(frozen=True, slots=True)
class Process:
    """A heartbeat, and how long ago it was by Postgres's clock."""

    beat: Heartbeat
    silent: timedelta

    @property
    def state(self) -> str:
        """In the words of monitoring/looks.py."""
        if self.silent > GONE_AFTER:
            return "gone"
        return "suspect" if self.silent > SUSPECT_AFTER else "alive"

    @property
    def out(self) -> str:
        """Why it took itself out of rotation; empty if it did not, or is gone."""
        doing = self.beat.doing if self.state != "gone" else ""
        return doing.removeprefix(OUT) if doing.startswith(OUT) else ""


def processes() -> list[Process]:
    """Those that were heard of lately; who stopped in order has no heartbeat any more."""
    beats = Heartbeat.objects.annotate(silent=Now() - F("beat_at"))
    rows = beats.filter(beat_at__gt=Now() - SHOWN_FOR).order_by("role", "name")
    return [Process(row, row.silent) for row in rows]  # type: ignore[attr-defined]


def missed(found: Sequence[Process]) -> list[Process]:
    """Those that are gone and that no younger process of their role took the place of."""
    left = []
    for role in Role:
        of_role = [one for one in found if one.beat.role == role]
        starts = [one.beat.started_at for one in of_role if one.state != "gone"]
        gone = [one for one in of_role if one.silent > MISSED_AFTER]
        for one in sorted(gone, key=lambda process: process.beat.beat_at):
            if later := [at for at in starts if at > one.beat.beat_at]:
                starts.remove(min(later))
            else:
                left.append(one)
    return left


def not_well(found: Sequence[Process]) -> Iterable[Seen]:
    """Everything about them that somebody should know."""
    for one in missed(found):
        name, ago = one.beat.name, spelled(one.silent)
        words = f"{name} ({one.beat.role}) is gone: it did not stop, and beat last {ago} ago."
        yield Seen(Kind.PROCESS, name, Side.OURS, words, PAGE)
    for one in found:
        if one.out:
            words = f"{one.beat.name} ({one.beat.role}) took itself out: {one.out}."
            yield Seen(Kind.PROCESS, one.beat.name, Side.OURS, words, PAGE)
        offset = float(one.beat.load.get("clock_offset", 0.0))
        if one.state != "gone" and abs(offset) > CLOCK_OFF:
            way = "behind" if offset > 0 else "ahead of"
            words = f"The clock of {one.beat.name} is {abs(offset):,.0f} s {way} PostgreSQL's."
            yield Seen(Kind.CLOCK, one.beat.name, Side.OURS, words, PAGE)
    yield from _by_dispatchers([one.beat.load for one in found if one.state != "gone"])


def _by_dispatchers(loads: Sequence[dict[str, object]]) -> Iterable[Seen]:
    """What only they can tell: whether the broker takes messages, and whether workers hear them."""
    if any(load.get("alone") for load in loads):
        words = "The broker is away: the dispatcher delivers in its own process, slower."
        yield Seen(Kind.BROKER, "", Side.OURS, words, PAGE)
        return
    unanswered = max((int(str(load.get("unanswered", 0))) for load in loads), default=0)
    if unanswered > DEAF_AFTER:
        words = (
            f"The workers live and do not hear that there is work, for {unanswered} s now: "
            "the dispatcher delivers in its own process, slower."
        )
        yield Seen(Kind.DEAF, "", Side.OURS, words, PAGE)
