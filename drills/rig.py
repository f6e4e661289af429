"""The rig: a stack, its servers behind proxies, a receiver that records, a hand on all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psutil
import psycopg
import redis

from bench.stack import Stack, free_port
from drills.aside import Aside
from drills.canaries import Canaries
from drills.laws import Evidence, read_journal
from drills.names import Names, why_not
from drills.producer import Producer
from drills.proxy import Proxies, tcp, unix
from drills.servers import Servers
from events.rules import ids
from events.rules.ids import Prefix

PROFILE = {
    "REDRIVE_LEASE_GRACE": "3",
    "REDRIVE_BREAKER_OPEN": "1",
    "REDRIVE_LOG_LEVEL": "INFO",
}
TIMEOUT = 2.0
SCHEDULE = [0.2, 0.5, 1, 2, 2, 2, 2, 2, 2, 2]
PATHS = ("/ok", "/ordered", "/flaky")
ENDPOINT = {"timeout": TIMEOUT, "schedule": SCHEDULE, "max_concurrency": 50}


class Rig:
    """Everything up while the context lasts; the stack is what `make up` starts.

    With `apart`, PostgreSQL and Valkey run under a supervisor of their own and `postgres` and
    `broker` are the proxies before them; without, the stack brings its own. `full` makes faults
    last as long as in a full run; `at_risk` counts what killed processes had in flight.
    """

    lease = TIMEOUT + float(PROFILE["REDRIVE_LEASE_GRACE"])

    def __init__(self, folder: Path, *, apart: bool = True) -> None:
        self.folder = folder
        self.planted = Canaries()
        self.names_missing = why_not() if apart else "the servers are the stack's own"
        self.at_risk = 0
        self.full = False
        self.producer: Producer
        self.also_accepted: dict[str, str] = {}
        self._apart = apart
        self._parts = ExitStack()
        self._port = free_port()
        self._servers: Servers | None = None
        self._secrets: dict[str, str] = {}
        self.lanes: list[UUID] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._parts.__exit__(kind, error, trace)

    def _start(self) -> None:
        (self.folder / "secrets.json").write_text("{}")
        command = [sys.executable, "-m", "drills.receiver", str(self._port), str(self.folder)]
        receiver = subprocess.Popen(command)
        self._parts.callback(receiver.wait, 10)
        self._parts.callback(receiver.terminate)
        self.proxies = self._parts.enter_context(Proxies())
        self.receiver = self.proxies.before(tcp(self._port))
        extra = PROFILE | {"REDRIVE_ADMIN_PASSWORD": self.planted.password}
        if self._apart:
            extra |= self._start_servers()
        self.names = Names(self.proxies, self.folder)
        through = () if self.names_missing else self.names.listen()
        workers = os.cpu_count() or 1
        self.stack = Stack(self.folder, workers=workers, extra=extra, through=through)
        self._parts.enter_context(self.stack)
        for path in PATHS:
            self._subscribe(path)

    def _start_servers(self) -> dict[str, str]:
        self._servers = self._parts.enter_context(Servers(self.folder))
        database = urlsplit(self._servers.urls["DATABASE_URL"])
        socket = f"{parse_qs(database.query)['host'][0]}/.s.PGSQL.5432"
        self.postgres = self.proxies.before(unix(socket))
        self.broker = self.proxies.before(tcp(urlsplit(self._servers.urls["REDIS_URL"]).port or 0))
        name = f"{database.username}@127.0.0.1:{self.postgres.port}{database.path}"
        return {
            "DATABASE_URL": f"postgresql://{name}",
            "REDIS_URL": f"redis://127.0.0.1:{self.broker.port}/0",
        }

    def _subscribe(self, path: str) -> None:
        """One of the three that the load goes to, with a planted secret of each kind."""
        planted: dict[str, dict[str, Any]] = {
            "/ok": {
                "secret": f"whsec_{self.planted.signing}",
                "authentication": "basic",
                "credentials": self.planted.basic,
            },
            "/ordered": {"authentication": "bearer", "credentials": self.planted.bearer},
            "/flaky": {"headers": {"x-token": self.planted.header}},
        }
        body = {
            "url": self.url(path),
            "types": ["drill.**"],
            "ordered": path == "/ordered",
            **ENDPOINT,
            **planted[path],
        }
        made = self.stack.api("POST", "/subscriptions", body)
        self.keep_secret(path, str(made["secret"]))
        if (lane := ids.decode(Prefix.SUBSCRIPTION, str(made["id"]))) is not None:
            self.lanes.append(lane)

    @contextmanager
    def aside(self, url: str, **options: Any) -> Iterator[Aside]:
        """A subscription beside the load, taken away at the end; `url` may be a receiver's path."""
        path = url if url.startswith("/") else ""
        made = Aside(self, self.url(path) if path else url, ENDPOINT | options)
        if path:
            self.keep_secret(path, made.secret)
        try:
            yield made
        finally:
            made.delete()

    def url(self, path: str) -> str:
        """Of the recording receiver, through its proxy."""
        return f"http://127.0.0.1:{self.receiver.port}{path}"

    def keep_secret(self, path: str, secret: str) -> None:
        """Tells the receiver, in one move: it reads them at every request."""
        self._secrets[path] = secret
        part = self.folder / "secrets.part"
        part.write_text(json.dumps(self._secrets))
        part.replace(self.folder / "secrets.json")

    def processes(self, role: str) -> list[psutil.Process]:
        """The processes of a role that run now, found below the supervisors."""
        above = [self.stack.pid, *([self._servers.pid] if self._servers else [])]
        below = [child for pid in above for child in psutil.Process(pid).children(recursive=True)]
        if role == "worker child":
            return [child for parent in self.processes("worker") for child in parent.children()]
        return [process for process in below if role_of(process) == role]

    def kill(self, victims: list[psutil.Process]) -> None:
        """`kill -9`, after they stood still for a moment in which is counted what they hold."""
        for process in victims:
            send(process, signal.SIGSTOP)
        self.at_risk += self._held(victims)
        for process in victims:
            send(process, signal.SIGKILL)

    def _held(self, victims: list[psutil.Process]) -> int:
        """Deliveries that these have in flight: what is in their windows."""
        found = {process.pid for process in victims}
        try:
            rows = self.rows("SELECT worker FROM events_owed WHERE state = 'in_flight'")
        except psycopg.Error:
            return 0
        return sum(int(worker.rpartition(":")[2] or 0) in found for (worker,) in rows)

    def database(self) -> psycopg.Connection[Any]:
        """Past the proxy."""
        url = (self._servers.urls if self._servers else self.stack.settings)["DATABASE_URL"]
        return psycopg.connect(url, autocommit=True)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database() as database:
            return database.execute(statement.encode(), values or None).fetchall()

    def redis(self) -> redis.Redis:
        url = (self._servers.urls if self._servers else self.stack.settings)["REDIS_URL"]
        return redis.Redis.from_url(url)

    def journal(self) -> list[dict[str, Any]]:
        """What the receiver got, on every path."""
        return read_journal(self.folder / "received.jsonl")

    def pages(self) -> list[str]:
        """Pages that show what there is a secret to: each lane, and its last delivery and event."""
        found = []
        for lane in self.lanes:
            found.append(f"/subscriptions/{ids.encode(Prefix.SUBSCRIPTION, lane)}/")
            for delivery, event in self.rows(
                "SELECT id, event_id FROM events_finished WHERE subscription_id = %s "
                "ORDER BY id DESC LIMIT 1",
                lane,
            ):
                found.append(f"/deliveries/{ids.encode(Prefix.DELIVERY, delivery)}/")
                found.append(f"/events/{ids.encode(Prefix.EVENT, event)}/")
        return found

    def evidence(self, accepted: dict[str, str], database: psycopg.Connection[Any]) -> Evidence:
        received = [line for line in self.journal() if line["path"] in PATHS]
        return Evidence(accepted, received, self.lanes, self.lease, database)

    def until_drained(self, within: float) -> float:
        """Seconds until nothing is owed of the load; `within` if that never was."""
        return self._until("subscription_id = ANY(%s)", self.lanes, within=within)

    def until_caught_up(self, within: float) -> float:
        """Seconds until nothing is owed of what was accepted up to now."""
        now = time.time()
        return self._until(
            "subscription_id = ANY(%s) AND created_at < to_timestamp(%s)",
            self.lanes,
            now,
            within=within,
        )

    def _until(self, owed: str, *values: object, within: float) -> float:
        began = time.monotonic()
        while time.monotonic() - began < within:
            try:
                if not self.rows(f"SELECT FROM events_owed WHERE {owed} LIMIT 1", *values):
                    return time.monotonic() - began
            except psycopg.OperationalError:
                pass
            time.sleep(0.1)
        return within


def send(process: psutil.Process, number: signal.Signals) -> None:
    """A signal, if there is still somebody to get it."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def family(pid: int) -> set[int]:
    """A process and all that it started."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return set()
    return {pid, *(child.pid for child in children)}


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
