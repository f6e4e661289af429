"""Outlives a supervisor that was killed, by seconds, to end what did not end with it.

The kernel's signal reaches a process that we started, but not what that one started, and not
everyone heeds it: Celery tries for its broker first. So this program reads `add GROUP` and
`drop GROUP` from a pipe that only the supervisor holds; when the pipe ends, so did the supervisor,
and the groups that are still listed get GRACE and are killed. Run as a file: it imports nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

GRACE = 6.0
"""Seconds that a clean stop of the servers needs."""


class Watch:
    """The supervisor's end of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-IS", __file__], stdin=subprocess.PIPE, start_new_session=True
        )

    def add(self, group: int) -> None:
        self._tell(f"add {group}")

    def drop(self, group: int) -> None:
        self._tell(f"drop {group}")

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def _tell(self, line: str) -> None:
        # If somebody killed the watch, the stack goes on without.
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin:
                self._process.stdin.write(f"{line}\n".encode())
                self._process.stdin.flush()


def _listed() -> set[int]:
    groups: set[int] = set()
    for line in sys.stdin:
        verb, group = line.split()
        (groups.add if verb == "add" else groups.discard)(int(group))
    return groups


def _signal(group: int, number: int) -> bool:
    """Whether there is such a group still."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups = _listed()
    deadline = time.monotonic() + GRACE
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = {group for group in groups if _signal(group, 0)}
    for group in groups:
        _signal(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
