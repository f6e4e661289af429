"""Imported by the processes under libfaketime at their start, before anything sleeps.

It moves the moments until which Python 3.11 sleeps by the false clock's difference, though they
are of the monotonic one: every sleep fails. A wait on an event goes by another call.
"""

from __future__ import annotations

import threading
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    threading.Event().wait(float(seconds))


time.sleep = _sleep
