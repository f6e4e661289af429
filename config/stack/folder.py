"""The data folder: one stack at a time holds it, and can be stopped through it.

`postgres` holds the data, `credentials` what the first start made, `environment` what a command
needs to work on the stack that runs, `pid` who runs it, `run` the sockets, `loops` which services
end again and again (monitoring/troubles.py makes findings of it).
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from config.stack import console
from config.stack.failures import CannotStart

STOPS_WITHIN = 45.0
"""Seconds that `make down` waits: the stack itself takes at most 35."""


class Folder:
    """The paths in a data folder. Its lock ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.credentials = path / "credentials"
        self.environment = path / "environment"
        self.postgres = path / "postgres"
        self.run = path / "run"
        self.loops = path / "loops"
        self._pid = path / "pid"
        self._lock = -1

    def open(self) -> bool:
        """Makes and takes the folder; tells whether its last holder was killed.

        Raises CannotStart.
        """
        try:
            # The embedded server's own user has to pass through it, and sees nothing else.
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._take()
            killed = self._pid.exists()
            self._pid.write_text(f"{os.getpid()} {started(os.getpid())}")
        except OSError as error:
            raise CannotStart(
                f"The folder {self.path} cannot be written to ({error.strerror}): "
                "name another one with REDRIVE_DATA_DIR."
            ) from None
        return killed

    def close(self) -> None:
        self.environment.unlink(missing_ok=True)
        self.loops.unlink(missing_ok=True)
        self._pid.unlink(missing_ok=True)
        os.close(self._lock)

    def tell_loops(self, found: Mapping[str, str]) -> None:
        """Keeps which services are in a crash loop; a full disk must not end who restarts them."""
        try:
            write_values(self.loops, found)
        except OSError as error:
            console.say(f"crash loops are not told to the console: {error.strerror}")

    def holder(self) -> tuple[int, str] | None:
        """The process that runs here, and when it started; None if it is gone."""
        try:
            pid, start = self._pid.read_text().split()
            return (int(pid), start) if runs(int(pid), start) else None
        except (OSError, ValueError):
            return None

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(
                f"Redrive runs in {self.path} already: stop it with `make down`, or give this one "
                "a REDRIVE_DATA_DIR and a REDRIVE_PORT of its own."
            ) from None


def read_values(path: Path) -> dict[str, str]:
    """What `write_values` kept; empty where there is no file."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: text for name, _, text in pairs}


def write_values(path: Path, values: Mapping[str, str]) -> None:
    """NAME=value lines for their owner only, in one move: a kill leaves all of them or none."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={text}\n" for name, text in values.items())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def started(pid: int) -> str:
    """When a process started, in the kernel's ticks. Raises OSError if there is none."""
    return _stat(pid)[19]


def runs(pid: int, start: str) -> bool:
    """Whether the process that started then still runs: its number may live on."""
    try:
        state, *rest = _stat(pid)
    except OSError:
        return False
    # One that has ended keeps its number until its parent asks after it.
    return state not in "ZX" and rest[18] == start


def _stat(pid: int) -> list[str]:
    """The fields from the state on; the name before it, in parentheses, may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def down(folder: Folder) -> str:
    """Stops the stack that runs in the folder; the sentence says what was done."""
    found = folder.holder()
    if found is None:
        return f"Nothing runs in {folder.path}."
    pid, start = found
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError:
        raise CannotStart(f"Redrive in {folder.path} belongs to another user.") from None
    deadline = time.monotonic() + STOPS_WITHIN
    # It lets go of the folder before it ends.
    while runs(pid, start):
        if time.monotonic() > deadline:
            raise CannotStart(f"Process {pid} did not stop within {STOPS_WITHIN:g} s.")
        time.sleep(0.1)
    return f"Redrive in {folder.path} is stopped."
