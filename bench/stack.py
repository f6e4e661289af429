"""A stack of its own, started by `make up`'s own program on free ports in a folder that goes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

PATIENCE = 60.0
KEY = "rdk_benchkey_" + "b" * 43


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """Redrive with embedded servers, up while the context lasts.

    `extra` is added to its environment; `through` is a command that becomes the one it is given.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int,
        extra: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._through = through
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.key = KEY
        self._environment = {
            **_outside(),
            "REDRIVE_DATA_DIR": str(folder / "data"),
            "REDRIVE_PORT": str(self._port),
            "REDRIVE_WORKERS": str(workers),
            "REDRIVE_BOOTSTRAP_API_KEY": KEY,
            "REDRIVE_ALLOW_ADDRESSES": "127.0.0.0/8",
            "REDRIVE_LOG_LEVEL": "WARNING",
            **(extra or {}),
        }

    def __enter__(self) -> Self:
        self._log = (self._folder / "stack.log").open("wb")
        self._process = subprocess.Popen(
            [*self._through, sys.executable, "-m", "config.stack", "up"],
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        wait_until_answers(f"{self.url}/readyz", self._process)
        self.settings = self._settings()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self._log.close()
        if error is not None:
            sys.stderr.write((self._folder / "stack.log").read_text(errors="replace")[-4_000:])

    @property
    def pid(self) -> int:
        """Of the supervisor, above all processes of the stack."""
        return self._process.pid

    def _settings(self) -> Mapping[str, str]:
        """What the supervisor gave its processes: the addresses of the servers it started."""
        for process in psutil.Process(self.pid).children(recursive=True):
            if any("granian" in word for word in process.cmdline()[:3]):
                return dict(process.environ())
        raise RuntimeError("the stack has no web process")

    def api(self, method: str, path: str, body: object = None) -> Any:
        """One call of the REST API; an error status is raised with its problem."""
        request = Request(  # noqa: S310
            f"{self.url}/api/v1{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None

    def manage(self, *words: str) -> str:
        """Runs manage.py in the environment of the stack; gives what it says."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            env={**os.environ, **self.settings},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def sessions(self, many: int, role: str) -> list[str]:
        """The session keys of new people, who are signed in to the console."""
        call = f"from bench.viewers import sign_in; print(*sign_in({many}, {role!r}))"
        return self.manage("shell", "--no-imports", "-c", call).split()

    @contextmanager
    def bare(self) -> Iterator[str]:
        """The bare ASGI handler under the same server; gives its URL."""
        port = free_port()
        command = ["granian", "--interface", "asginl", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / command[0]), *command[1:], "bench.bare:application"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_answers(f"http://127.0.0.1:{port}/", process)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(10)


def _outside() -> dict[str, str]:
    """Our own environment without what would point the stack at other servers."""
    ours = ("REDRIVE_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def wait_until_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until a GET is answered with success; SystemExit if the process ends or takes too long."""
    ends = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < ends:
        try:
            with urlopen(url, timeout=2):  # noqa: S310
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise SystemExit(f"{url} did not answer within {PATIENCE:.0f} s")
