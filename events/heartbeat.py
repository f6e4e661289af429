"""Heartbeats: each process says that its working loop still turns, and how it fares."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta
from multiprocessing.util import Finalize

from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from events import vitals
from events.models import Heartbeat
from events.models.process import Role
from events.rules.fitness import Vitals

log = logging.getLogger(__name__)

BEAT = 5.0
"""Seconds between beats."""

_born = time.monotonic()
_left: set[str] = set()


def _was_forked() -> None:
    global _born  # noqa: PLW0603 - one birth a process
    _born = time.monotonic()


os.register_at_fork(after_in_child=_was_forked)


def process_name() -> str:
    """How this process is known: its host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def beat_while_serving() -> None:
    """A web process's heartbeat, from the event loop that serves; says how late that loop runs."""
    # What multiprocessing started ends without atexit.
    Finalize(None, leave, args=(process_name(),), exitpriority=0)
    lag = 0.0
    while True:
        await asyncio.to_thread(_beat_as_web, lag)
        began = time.monotonic()
        await asyncio.sleep(BEAT)
        lag = max(0.0, time.monotonic() - began - BEAT)


def _beat_as_web(lag: float) -> None:
    try:
        found = shown(vitals.measure())
    except Error:
        found = {}
    beat(process_name(), Role.WEB, doing="serving", load=found | {"loop_lag_ms": _ms(lag)})
    connection.close()


def shown(found: Vitals) -> dict[str, object]:
    """As a heartbeat's `load` has them."""
    return {
        "clock_offset": round(found.clock_offset, 3),
        "round_trip_ms": _ms(found.round_trip),
        "memory": found.memory,
        "handles_left": found.handles_left,
    }


def beat(name: str, role: Role, *, doing: str, load: Mapping[str, object]) -> None:
    """Writes that process `name` is alive; a beat that Postgres does not take is only logged.

    After it has left a process says no more. A name comes again, with the number of a process that
    ended: so all of the row is written.
    """
    if name in _left:
        return
    row = Heartbeat(
        name=name,
        role=role,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=settings.REDRIVE_VERSION,
        started_at=Now() - timedelta(seconds=time.monotonic() - _born),
        beat_at=Now(),
        doing=doing,
        load=dict(load),
    )
    rest = ["role", "host", "pid", "version", "started_at", "beat_at", "doing", "load"]
    try:
        Heartbeat.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["name"], update_fields=rest
        )
    except Error as error:
        log.warning("no heartbeat: %s", error)
        connection.close()


def leave(name: str) -> None:
    """Takes the row of a process away that stops in order: nobody has to look for it."""
    _left.add(name)
    try:
        Heartbeat.objects.filter(name=name).delete()
    except Error as error:
        log.warning("the heartbeat stays: %s", error)
    finally:
        connection.close()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
