"""When a lane was not to be sent to: breakers that were open, and pauses.

An open breaker leaves no history, so it is looked at from outside while a drill runs; a pause is in
the audit log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

import psycopg

from events.rules import ids
from events.rules.ids import Prefix

LOOK = 0.2

HELD_AFTER = timedelta(seconds=2.5)
"""From when on nothing is sent: two seconds after the commit (G7), and that of a look."""

OPEN = """
SELECT subscription_id, retry_at, clock_timestamp() FROM events_lane
WHERE state = 'open' AND retry_at > clock_timestamp()
"""

PAUSES = """
SELECT target, action, at FROM events_auditentry
WHERE action IN ('pause', 'resume') AND target = ANY(%s) ORDER BY id
"""

SENT = """
SELECT count(*) FROM events_attempt
WHERE subscription_id = %s AND started_at > %s AND started_at < %s
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A lane that was open or paused, from one moment of PostgreSQL's clock to another."""

    lane: UUID
    why: str
    start: datetime
    end: datetime


class Watch:
    """Looks at the breakers while the context lasts, as often as the database lets it."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._open: dict[tuple[UUID, datetime], Span] = {}
        self.looked = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    @property
    def spans(self) -> list[Span]:
        """From when on, and until when, each was seen open."""
        return list(self._open.values())

    def _run(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                with self._connect() as database:
                    while not self._stop.wait(LOOK):
                        self._look(database)
            except psycopg.Error:
                continue

    def _look(self, database: psycopg.Connection[Any]) -> None:
        for lane, until, now in database.execute(OPEN).fetchall():
            before = self._open.get((lane, until))
            start = before.start if before else now
            self._open[lane, until] = Span(lane, "its breaker was open", start, now)
        self.looked = True


def pauses(database: psycopg.Connection[Any], lanes: Sequence[UUID]) -> Iterable[Span]:
    """Those that are over."""
    known = {ids.encode(Prefix.SUBSCRIPTION, lane): lane for lane in lanes}
    since: dict[str, datetime] = {}
    for target, action, at in database.execute(PAUSES, [list(known)]).fetchall():
        if action == "pause":
            since.setdefault(target, at)
        elif start := since.pop(target, None):
            yield Span(known[target], "it was paused", start, at)


def sends_in(span: Span, database: psycopg.Connection[Any]) -> int:
    """How many sends were begun while none was to be."""
    row = database.execute(SENT, (span.lane, span.start + HELD_AFTER, span.end)).fetchone()
    return int(row[0]) if row else 0
