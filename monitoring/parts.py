"""The servers that Redrive stands on, measured: does each answer, how fast, what breaks without.

A job measures them too and keeps since when each is in its state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from events import jobs, statements

JOB = "monitoring.parts"

SLOW = 100.0
"""Milliseconds from which an answer counts as slow."""

POSTGRES = """
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
    current_setting('max_connections')::int AS most
"""


@dataclass(frozen=True, slots=True)
class Part:
    """`ms` is a round trip, None if there was no answer; `facts` are pairs of words.

    `since` is when the state was first seen; None if it is seen for the first time.
    """

    name: str
    icon: str
    breaks: str
    ms: float | None
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)
    error: str = ""
    since: datetime | None = None

    @property
    def state(self) -> str:
        if self.ms is None:
            return "down"
        return "healthy" if self.ms < SLOW else "degraded"

    @property
    def reason(self) -> str:
        """Why it is not healthy."""
        if self.ms is None:
            return self.error or "no answer"
        return "" if self.state == "healthy" else f"a round trip takes {self.ms:.0f} ms"

    @property
    def known(self) -> Known:
        return Known(self.name, self.state, self.reason, self.since)


@dataclass(frozen=True, slots=True)
class Known:
    """The state that a part was last seen in, why, and since when."""

    name: str
    state: str
    reason: str
    since: datetime | None


def parts() -> list[Part]:
    """Each measured now; one that is away costs a second."""
    lasting = {(one.name, one.state): one.since for one in known()}
    return [replace(part, since=lasting.get((part.name, part.state))) for part in _measured()]


def watch() -> None:
    """Measures them and keeps the states, each with its beginning."""
    now = timezone.now()
    found = [replace(part, since=part.since or now).known for part in parts()]
    jobs.remember(JOB, {one.name: [one.state, one.reason, _text(one.since)] for one in found})


def known() -> list[Known]:
    """The parts as they were last seen, without asking them."""
    return [
        Known(name, state, reason, datetime.fromisoformat(at))
        for name, (state, reason, at) in jobs.state_of(JOB).items()
    ]


def _text(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _measured() -> list[Part]:
    return [
        _measure(
            ("Postgres", "database", "Everything: publishes are refused, nothing is delivered."),
            _postgres,
        ),
        _measure(
            ("Redis", "server", "Live updates: pages poll instead. No event is lost."), _redis
        ),
        _measure(
            ("Broker", "repeat", "Workers: the dispatcher delivers in its own process, slower."),
            _broker,
        ),
    ]


Facts = list[tuple[str, str]]


def _measure(named: tuple[str, str, str], ask: Callable[[], tuple[float, Facts]]) -> Part:
    try:
        ms, facts = ask()
    except (DatabaseError, redis.RedisError, OperationalError, OSError) as error:
        if isinstance(error, DatabaseError):
            connection.close()
        return Part(*named, ms=None, error=str(error).strip().partition("\n")[0])
    return Part(*named, ms=ms, facts=facts)


def _postgres() -> tuple[float, Facts]:
    row = statements.rows(POSTGRES)[0]
    began = time.perf_counter()
    statements.rows("SELECT 1")
    return _since(began), [
        ("version", str(row.version).split()[0]),
        ("size", _size(row.size)),
        ("connections", f"{row.connections} of {row.most}"),
    ]


def _redis() -> tuple[float, Facts]:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=1.0, socket_connect_timeout=1.0
    ) as client:
        info = client.info()
        began = time.perf_counter()
        client.ping()
        ms = _since(began)
    return ms, [
        ("version", _server(info)),
        ("memory", _size(int(info.get("used_memory", 0)))),
        ("clients", str(info.get("connected_clients", ""))),
    ]


def _server(info: Mapping[str, Any]) -> str:
    """Valkey says which Redis it stands in for as its version, and its own beside it."""
    name = str(info.get("server_name", "redis"))
    return f"{name} {info.get(f'{name}_version', '')}"


def _broker() -> tuple[float, Facts]:
    """There and back: a message into a queue of its own, and out again."""
    with current_app.connection_for_write() as link:
        link.ensure_connection(max_retries=0, timeout=1)
        queue = link.SimpleQueue("redrive-round-trip", queue_opts={"expires": 60})
        try:
            for _ in range(2):  # The first also sets up the queue: the second is what is measured.
                began = time.perf_counter()
                queue.put("?")
                queue.get(timeout=1).ack()
                ms = _since(began)
        except queue.Empty:
            raise OSError("a message went in and did not come out within a second") from None
        finally:
            queue.close()
        return ms, [("transport", str(link.transport_cls)), ("at", str(link.as_uri()))]


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit in "B KB" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
