"""Hints: of all that changed, what somebody is looking at, told at most once a second.

Whatever commits calls `hear`; it must not wait for Redis, so a thread asks what is watched and
tells. Hints may be lost: pages read themselves anew every fifteen seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from monitoring import pulse

log = logging.getLogger(__name__)

PERIOD = 1.0
MOST = 20_000
"""Changes that are kept for one period; more than that are not told."""


class Hints:
    """Gathers what changed in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._changed: set[str] = set()
        self._thread: threading.Thread | None = None
        self._watched = pulse.Watched()

    def hear(self, public_ids: Iterable[str]) -> None:
        """Never blocks and never fails."""
        with self._lock:
            if len(self._changed) < MOST:
                self._changed.update(public_ids)
            # A worker forks after this was made, and threads do not come along.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="hints", daemon=True)
                self._thread.start()
        self._some.set()

    def _work(self) -> None:
        while self._some.wait():
            self._some.clear()
            with self._lock:
                changed, self._changed = self._changed, set()
            try:
                seen = changed & self._watched.all(now=time.time())
            except pulse.LOST as error:
                log.warning("what is watched is not known: %s", error)
                seen = set()
            if seen:
                pulse.send_hint(seen)
            time.sleep(PERIOD)


hints = Hints()
"""Of this process."""
