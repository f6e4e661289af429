"""Waking the workers: a hint, sent off the path of whoever has work for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

TOGETHER = 0.02
"""Seconds in which commits share one poke."""

REST = 5.0
"""Seconds without pokes after one failed: the dispatcher's poll finds the work meanwhile."""


class Poke:
    """Calls `ask` soon after each `poke()`, from a thread of its own, at most once in TOGETHER."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._wanted = threading.Event()
        threading.Thread(target=self._work, name="poke", daemon=True).start()

    def poke(self) -> None:
        """Never blocks and never fails."""
        self._wanted.set()

    def _work(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            try:
                self._ask()
            except OSError as error:
                log.warning("the broker cannot be reached, workers are not poked: %s", error)
                time.sleep(REST)
            time.sleep(TOGETHER)
