"""The rig: a stack, its servers behind proxies, a receiver that records, a hand on all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
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
from drills.auditor import Auditor
from drills.canaries import Canaries
from drills.journal import read_journal
from drills.laws import Evidence
from drills.names import Names, why_not
from drills.processes import OURS, Use, role_of, send, use_of
from drills.producer import Producer
from drills.proxy import Proxies, tcp, unix
from drills.servers import Servers
from drills.spans import Span
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
RATE = min(100.0, 15.0 * (os.cpu_count() or 1))
"""Events a second of the load: a machine that cannot keep up shows nothing but that."""

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
        self._received = folder / "received.jsonl"
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
        settings = {**self.stack.settings, "DATABASE_URL": self._url("DATABASE_URL")}
        self.auditor = self._parts.enter_context(Auditor(settings))
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
        if role.endswith(" child"):
            parents = self.processes(role.removesuffix(" child"))
            return [child for parent in parents for child in parent.children()]
        return [process for process in below if role_of(process) == role]

    def send(self, role: str, number: signal.Signals) -> None:
        """A signal to every process of a role that runs now."""
        for process in self.processes(role):
            send(process, number)

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
        return psycopg.connect(self._url("DATABASE_URL"), autocommit=True)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database() as database:
            return database.execute(statement.encode(), values or None).fetchall()

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self._url("REDIS_URL"))

    def _url(self, name: str) -> str:
        """Of a server itself, not of the proxy before it."""
        return (self._servers.urls if self._servers else self.stack.settings)[name]

    def journal(self, *, start: int = 0) -> list[dict[str, Any]]:
        """What the receiver got, on every path, since its journal was `start` long."""
        return read_journal(self._received, start=start)

    @property
    def journal_size(self) -> int:
        return self._received.stat().st_size if self._received.exists() else 0

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

    def evidence(
        self,
        accepted: dict[str, str],
        database: psycopg.Connection[Any],
        opened: Sequence[Span] = (),
    ) -> Evidence:
        received = [line for line in self.journal() if line["path"] in PATHS]
        tries = len(SCHEDULE) + 1
        return Evidence(accepted, received, self.lanes, self.lease, tries, opened, database)

    def use(self) -> dict[str, Use]:
        """What the processes of each role hold."""
        return {role: use_of(self.processes(role)) for role in OURS}

    def owed(self) -> str:
        """What the load is still owed, in words."""
        rows = self.rows(
            "SELECT s.url, o.state, count(*) FROM events_owed AS o "
            "JOIN events_subscription AS s ON s.id = o.subscription_id "
            "WHERE s.id = ANY(%s) GROUP BY 1, 2 ORDER BY 1, 2",
            self.lanes,
        )
        return ", ".join(f"{n:,} {state} to {urlsplit(url).path}" for url, state, n in rows)

    def until_drained(self, within: float) -> float | None:
        """Seconds until nothing is owed of the load; None if that never was."""
        return self._until("subscription_id = ANY(%s)", self.lanes, within=within)

    def until_caught_up(self, within: float) -> float | None:
        """Seconds until nothing is owed of what was accepted up to now; None if it stays so."""
        now = time.time()
        return self._until(
            "subscription_id = ANY(%s) AND created_at < to_timestamp(%s)",
            self.lanes,
            now,
            within=within,
        )

    def _until(self, owed: str, *values: object, within: float) -> float | None:
        began = time.monotonic()
        while time.monotonic() - began < within:
            try:
                if not self.rows(f"SELECT FROM events_owed WHERE {owed} LIMIT 1", *values):
                    return time.monotonic() - began
            except psycopg.OperationalError:
                pass
            time.sleep(0.1)
        return None
