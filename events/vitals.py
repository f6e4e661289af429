"""Measuring whether this process is fit to send: its clock, its file handles, its database."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from django.db import connection

from events.rules.fitness import Vitals

OPEN_FILES = Path("/proc/self/fd")
MEMORY = Path("/proc/self/statm")


def measure() -> Vitals:
    """One look, with one short statement. Raises django.db.Error if PostgreSQL cannot be asked."""
    with connection.cursor() as cursor:
        began, started = time.time(), time.perf_counter()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (theirs,) = cursor.fetchone()
        took = time.perf_counter() - started
    # Half of the round trip had gone by when PostgreSQL looked at its clock.
    offset = float(theirs) - (began + took / 2)
    return Vitals(
        clock_offset=offset, handles_left=handles_left(), round_trip=took, memory=memory()
    )


def handles_left() -> int | None:
    """File handles this process may still open; None if there is no limit or it is not told."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or not OPEN_FILES.exists():
        return None
    try:
        return limit - sum(1 for _ in OPEN_FILES.iterdir())
    except OSError:
        return 0


def raise_handle_limit() -> None:
    """To what this user may have: the usual 1,024 are fewer than the sends of one window."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def memory() -> int:
    """Bytes of memory that this process holds; 0 if it is not told."""
    try:
        return int(MEMORY.read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
