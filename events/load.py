"""Measuring the load, keeping its level, and refusing publishes that it has no room for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from events import lanes, statements
from events.models import Heartbeat, LoadLevel
from events.models.event import Priority
from events.models.process import Role
from events.problems import Code, Problem
from events.publish import NewEvent
from events.rules.load import Load, Measured, Step, assess

KNOWN_FOR = 1.0
"""Seconds that a process trusts the level it read."""

# How long the longest waiting delivery has been due that a worker with room would send. Parked,
# paused and paced lanes are meant to wait; one at its cap waits for its endpoint, and a successor
# for what is ahead of it. One probe a lane and priority.
BACKLOG = f"""
WITH RECURSIVE {lanes.WALK}
SELECT coalesce(extract(epoch FROM now() - min(w.due_at)), 0)::float8 AS seconds
FROM walk
JOIN events_lane AS lane USING (subscription_id)
JOIN events_subscription AS s ON s.id = walk.subscription_id
CROSS JOIN (VALUES (0::int2), (1::int2), (2::int2)) AS p(priority)
CROSS JOIN LATERAL (
    SELECT * FROM events_owed AS o
    WHERE o.subscription_id = walk.subscription_id AND o.state = 'pending'
      AND o.priority = p.priority AND o.due_at <= now()
    ORDER BY o.due_at LIMIT 1) AS w
WHERE s.state = 'active' AND s.deleted_at IS NULL AND lane.state = 'closed' AND lane.ramp IS NULL
  AND s.rate_limit IS NULL AND {lanes.CAP} > {lanes.IN_FLIGHT}
  AND (w.ordering_key IS NULL OR {lanes.FIRST_OF_KEY})
"""


def measure() -> Measured:
    """What the level is judged by, measured now."""
    return Measured(
        backlog=max(0.0, statements.rows(BACKLOG, lanes.ALL)[0].seconds),
        commit=_commit_ms(),
        window=_window_use(),
        disk_free=_disk_free(),
    )


def update() -> Load:
    """Measures, judges and keeps the level; a dispatcher calls it every second."""
    row, _ = LoadLevel.objects.get_or_create(id=1)
    before = LoadLevel.objects.in_force()
    found = measure()
    load = assess(found, before.load)
    changes = {} if load.level == row.level else {"since": Now()}
    LoadLevel.objects.filter(id=1).update(
        measured_at=Now(), measures=asdict(found), **asdict(load), **changes
    )
    return load


def current() -> LoadLevel:
    """The level that this process last read, at most KNOWN_FOR old; normal where none measures."""
    global _known  # noqa: PLW0603 - a cache of one row
    if _known is None or time.monotonic() - _known[0] > KNOWN_FOR:
        _known = (time.monotonic(), _read())
    return _known[1]


_known: tuple[float, LoadLevel] | None = None


def _read() -> LoadLevel:
    try:
        return LoadLevel.objects.in_force()
    except DatabaseError:
        connection.close()
        return _known[1] if _known else LoadLevel(id=1)


def refusal(events: Sequence[NewEvent]) -> Problem | None:
    """The problem of publishing these events at the present load; None to accept them.

    Blocks for a query once in KNOWN_FOR, so it is not for an event loop.
    """
    load = current()
    if Step.ALL_REFUSED in load.steps:
        detail = "The disk of the database is nearly full. Nothing was stored."
        return Problem(Code.STORAGE_FULL, detail, retry_after=60)
    if Step.LOW_REFUSED in load.steps and any(e.priority == Priority.LOW for e in events):
        detail = f"Publishes of low priority wait: {'; '.join(load.reasons)}."
        return Problem(Code.OVERLOADED, detail, retry_after=10)
    return None


def _commit_ms() -> float:
    began = time.perf_counter()
    with transaction.atomic():
        LoadLevel.objects.filter(id=1).update(leaning=F("leaning"))
    return (time.perf_counter() - began) * 1000


def _window_use() -> float:
    loads = Heartbeat.objects.alive().filter(role=Role.WORKER).values_list("load", flat=True)
    windows = [(load.get("in_flight", 0), load.get("window", 0)) for load in loads]
    size = sum(window for _, window in windows)
    return sum(used for used, _ in windows) / size if size else 0.0


def _disk_free() -> float | None:
    """Of the folder that is set, or the embedded server's; that of another server is not known."""
    data = Path(settings.REDRIVE_DISK or Path(settings.REDRIVE_DATA_DIR) / "postgres")
    try:
        usage = shutil.disk_usage(data)
    except OSError:
        return None
    return usage.free / usage.total
