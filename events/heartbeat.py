"""Heartbeats: each process says that its working loop still turns."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Mapping

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now

from events.models import Heartbeat
from events.models.process import Role

log = logging.getLogger(__name__)

BEAT = 5.0
"""Seconds between beats."""


def process_name() -> str:
    """How this process is known: its host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def beat_while_serving() -> None:
    """A web process's heartbeat, from the event loop that serves; says how late that loop runs."""
    lag = 0.0
    while True:
        load = {"loop_lag_ms": round(lag * 1000, 1)}
        await asyncio.to_thread(beat, process_name(), Role.WEB, doing="serving", load=load)
        began = time.monotonic()
        await asyncio.sleep(BEAT)
        lag = max(0.0, time.monotonic() - began - BEAT)


def beat(name: str, role: Role, *, doing: str, load: Mapping[str, object]) -> None:
    """Writes that process `name` is alive; a beat that Postgres does not take is only logged."""
    row = Heartbeat(
        name=name,
        role=role,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=settings.REDRIVE_VERSION,
        beat_at=Now(),
        doing=doing,
        load=dict(load),
    )
    try:
        Heartbeat.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["beat_at", "doing", "load", "version"],
        )
    except DatabaseError as error:
        log.warning("no heartbeat: %s", error)
        connection.close()
