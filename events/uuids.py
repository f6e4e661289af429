"""New ids: the clock and the dice that rules/ids leaves to its callers."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

from events.rules import ids

_lock = threading.Lock()
_last = 0


def new_uuid(*, after: UUID | None = None) -> UUID:
    """A UUIDv7 of this moment, above every one that this process made before.

    `after` is what it follows from, made by a process whose clock may be ahead of ours.
    """
    global _last  # noqa: PLW0603 - what the next id must exceed
    fresh = ids.uuid7(time.time_ns() // 1_000_000, os.urandom(10)).int
    with _lock:
        _last = max(fresh, _last + 1, after.int + 1 if after else 0)
        return UUID(int=_last)
