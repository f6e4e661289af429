"""Measuring whether this process is fit to send: its clock and its file handles."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from django.db import connection

from events.rules.fitness import Vitals

OPEN_FILES = Path("/proc/self/fd")


def measure() -> Vitals:
    """One look, with one short statement. Raises DatabaseError if PostgreSQL cannot be asked."""
    return Vitals(clock_offset=clock_offset(), handles_left=handles_left())


def clock_offset() -> float:
    """Seconds that PostgreSQL's clock is ahead of ours; half of the round trip is taken off."""
    with connection.cursor() as cursor:
        began = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        (theirs,) = cursor.fetchone()
    return float(theirs) - (began + time.time()) / 2


def handles_left() -> int | None:
    """File handles this process may still open; None if there is no limit or it is not told."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or not OPEN_FILES.exists():
        return None
    try:
        return limit - sum(1 for _ in OPEN_FILES.iterdir())
    except OSError:
        return 0
