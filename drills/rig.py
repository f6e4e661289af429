"""The rig: a stack of its own, a receiver that records, and a hand on every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg
import redis

from bench.stack import Stack, free_port
from drills.laws import Evidence, read_journal

PROFILE = {
    "REDRIVE_LEASE_GRACE": "3",
    "REDRIVE_BREAKER_OPEN": "1",
    "REDRIVE_LOG_LEVEL": "WARNING",
}
TIMEOUT = 2.0
SCHEDULE = [0.2, 0.5, 1, 2, 2, 2, 2, 2, 2, 2]
PATHS = ("/ok", "/ordered", "/flaky")


class Rig:
    """Everything up while the context lasts; the stack is what `make up` starts."""

    lease = TIMEOUT + float(PROFILE["REDRIVE_LEASE_GRACE"])

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port = free_port()
        self.stack = Stack(folder, workers=os.cpu_count() or 1, extra=PROFILE)

    def __enter__(self) -> Self:
        (self.folder / "secrets.json").write_text("{}")
        command = [sys.executable, "-m", "drills.receiver", str(self._port), str(self.folder)]
        self._receiver = subprocess.Popen(command)
        self.stack.__enter__()
        secrets = {path: self._subscribe(path) for path in PATHS}
        (self.folder / "secrets.json").write_text(json.dumps(secrets))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stack.__exit__(kind, error, trace)
        self._receiver.terminate()
        self._receiver.wait(10)

    def _subscribe(self, path: str) -> str:
        made = self.stack.api(
            "POST",
            "/subscriptions",
            {
                "url": f"http://127.0.0.1:{self._port}{path}",
                "types": ["drill.**"],
                "timeout": TIMEOUT,
                "schedule": SCHEDULE,
                "ordered": path == "/ordered",
                "max_concurrency": 50,
            },
        )
        return str(made["secret"])

    def processes(self, role: str) -> list[psutil.Process]:
        """The processes of a role that run now, found below the supervisor."""
        found = [
            process
            for process in psutil.Process(self.stack.pid).children(recursive=True)
            if role_of(process) == role
        ]
        if role == "worker child":
            return [child for parent in self.processes("worker") for child in parent.children()]
        return found

    def database(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.stack.settings["DATABASE_URL"], autocommit=True)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.stack.settings["REDIS_URL"])

    def evidence(self, accepted: dict[str, str], database: psycopg.Connection[Any]) -> Evidence:
        received = read_journal(self.folder / "received.jsonl")
        log = (self.folder / "stack.log").read_text(errors="replace")
        known = json.loads((self.folder / "secrets.json").read_text()).values()
        secrets = [secret.removeprefix("whsec_") for secret in known]
        return Evidence(accepted, received, database, log, secrets)

    def until_drained(self, within: float) -> float:
        """Seconds until nothing is owed; `within` if it never was."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            if self._drained():
                return time.monotonic() - began
            time.sleep(0.1)
        return within

    def _drained(self) -> bool:
        try:
            with self.database() as database:
                row = database.execute("SELECT EXISTS (SELECT FROM events_owed)").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and not row[0]


def role_of(process: psutil.Process) -> str:
    """What a process of the stack is, told by its command line; the first of a family only."""
    try:
        words, parent = process.cmdline(), process.parent()
        above = parent.cmdline() if parent else []
    except psutil.Error:
        return ""
    for role, mark in MARKS.items():
        if mark(words) and not mark(above):
            return role
    return ""


MARKS: dict[str, Callable[[list[str]], bool]] = {
    "web": lambda words: any("granian" in word for word in words[:3]),
    "worker": lambda words: any("celery" in word for word in words[:3]),
    "dispatcher": lambda words: "dispatch" in words,
    "redis": lambda words: any("valkey-server" in word for word in words[:1]),
    "postgres": lambda words: any(word.endswith("/postgres") for word in words[:1]),
}
