"""One process's window, run again for every pump; its loop, clients and caches stay warm."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass

import uvloop
from django.conf import settings

from events.engine.run import Window
from events.engine.stop import stopping
from events.engine.transport import Transport
from events.heartbeat import BEAT, beat, process_name
from events.models.process import Role

PUMP = 30.0
"""Seconds after which a pump ends though there is more: so that a worker hears its broker."""


SHORT = 0.2
"""Seconds that a pump may last without a beat of its own."""


@dataclass(slots=True)
class _Engine:
    """What one process keeps between pumps. Its event loop belongs to whoever pumps.

    `pumping` is what its last beat said.
    """

    pid: int
    name: str
    runner: asyncio.Runner
    window: Window
    lock: threading.Lock
    pumping: bool = False


_engine: _Engine | None = None
_making = threading.Lock()


def pump(*, role: Role = Role.WORKER) -> int:
    """Delivers what is due until nothing is, or for PUMP seconds; gives the number sent.

    A second call in the same process while one runs returns at once.
    """
    engine = _this_process()
    if not engine.lock.acquire(blocking=False):
        return 0
    try:
        return engine.runner.run(_run(engine, role))
    finally:
        engine.lock.release()


def beat_while_idle() -> None:
    """Starts a thread that beats between pumps: an idle process has no loop to beat from."""
    threading.Thread(target=_idle, name="beat", daemon=True).start()


def _idle() -> None:
    while True:
        # Not at once: Celery closes what a new process has inherited, the pool with it.
        time.sleep(SHORT)
        engine = _this_process()
        if not engine.lock.locked():
            beat(engine.name, Role.WORKER, doing="idle", load={"window": settings.REDRIVE_WINDOW})
        time.sleep(BEAT - SHORT)


def _this_process() -> _Engine:
    """Made anew after a fork: loops, threads and connections do not survive one."""
    global _engine  # noqa: PLW0603 - one window a process
    with _making:
        if _engine is None or _engine.pid != os.getpid():
            _engine = _make_engine()
        return _engine


def _make_engine() -> _Engine:
    transport = Transport(
        allowed=settings.REDRIVE_ALLOW_ADDRESSES, user_agent=settings.REDRIVE_USER_AGENT
    )
    return _Engine(
        pid=os.getpid(),
        name=process_name(),
        runner=asyncio.Runner(loop_factory=uvloop.new_event_loop),
        window=Window(worker=process_name(), size=settings.REDRIVE_WINDOW, transport=transport),
        lock=threading.Lock(),
    )


async def _run(engine: _Engine, role: Role) -> int:
    beating = asyncio.create_task(_beat(engine, role))
    try:
        return await engine.window.run(seconds=PUMP, stopping=stopping)
    finally:
        beating.cancel()
        if engine.pumping:
            await _say(engine, role, "idle")


async def _beat(engine: _Engine, role: Role) -> None:
    """Beats while a pump lasts; most are over before the first beat, and cost none."""
    await asyncio.sleep(SHORT)
    while True:
        await _say(engine, role, "pumping")
        await asyncio.sleep(BEAT)


async def _say(engine: _Engine, role: Role, doing: str) -> None:
    engine.pumping = doing == "pumping"
    load = {"in_flight": engine.window.in_flight, "window": settings.REDRIVE_WINDOW}
    await asyncio.to_thread(beat, engine.name, role, doing=doing, load=load)
