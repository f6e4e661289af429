"""One process's window, run again for every pump; its loop, clients and caches stay warm."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import threading
import time
from dataclasses import dataclass

import uvloop
from django.conf import settings
from django.db import DatabaseError, connection

from events import vitals
from events.engine.run import Window
from events.engine.stop import stopping
from events.engine.transport import Transport
from events.heartbeat import BEAT, beat, process_name
from events.models.process import OUT, Role
from events.rules.fitness import Vitals, is_stalled, unfit

log = logging.getLogger(__name__)

PUMP = 30.0
"""Seconds after which a pump ends though there is more: so that a worker hears its broker."""


SHORT = 0.2
"""Seconds that a pump may last without a beat of its own."""

CHECKED = 5.0
"""Seconds for which a process that was found fit, or unfit, is taken to be so."""

STALLED = 70
"""Exit status of a process whose loop stood still: it is started anew."""


@dataclass(slots=True)
class _Engine:
    """What one process keeps between pumps. Its event loop belongs to whoever pumps.

    `pumping` is what its last beat said, `unfit` why it may not claim, `turned` when its loop
    last turned, None while none runs.
    """

    pid: int
    name: str
    runner: asyncio.Runner
    window: Window
    lock: threading.Lock
    pumping: bool = False
    unfit: str = ""
    checked: float = -CHECKED
    turned: float | None = None


_engine: _Engine | None = None
_making = threading.Lock()


def pump(*, role: Role = Role.WORKER) -> int:
    """Delivers what is due until nothing is, or for PUMP seconds; gives the number sent.

    A second call in the same process while one runs returns at once, and so does a call in a
    process that is not fit to send.
    """
    engine = _this_process()
    if not engine.lock.acquire(blocking=False):
        return 0
    try:
        return engine.runner.run(_run(engine, role)) if _is_fit(engine, role) else 0
    finally:
        engine.turned = None
        engine.lock.release()


def _is_fit(engine: _Engine, role: Role) -> bool:
    """Looks at clock and handles now and then; an unfit process takes itself out and says why."""
    if time.monotonic() - engine.checked < CHECKED:
        return not engine.unfit
    engine.checked = time.monotonic()
    try:
        found = vitals.measure()
    except DatabaseError as error:
        log.warning("the clock was not compared: %s", error)
        connection.close()
        return not engine.unfit
    engine.window.clock_offset = found.clock_offset
    was, engine.unfit = engine.unfit, unfit(found)
    if engine.unfit:
        log.error("out of rotation: %s", engine.unfit)
        beat(engine.name, role, doing=_doing(engine), load={"window": settings.REDRIVE_WINDOW})
    elif was:
        log.warning("back in rotation")
    return not engine.unfit


def _doing(engine: _Engine) -> str:
    return f"{OUT}{engine.unfit}" if engine.unfit else "idle"


def beat_while_idle() -> None:
    """Starts a thread that beats between pumps: an idle process has no loop to beat from."""
    threading.Thread(target=_idle, name="beat", daemon=True).start()


def _idle() -> None:
    while True:
        # Not at once: Celery closes what a new process has inherited, the pool with it.
        time.sleep(SHORT)
        engine = _this_process()
        if not engine.lock.locked():
            load = {"window": settings.REDRIVE_WINDOW}
            beat(engine.name, Role.WORKER, doing=_doing(engine), load=load)
        elif is_stalled(Vitals(still=_still(engine))):
            log.critical("the event loop stands still: this process ends and is started anew")
            faulthandler.dump_traceback(all_threads=True)
            os._exit(STALLED)
        time.sleep(BEAT - SHORT)


def _still(engine: _Engine) -> float:
    """Seconds since the loop turned last; 0 where none runs."""
    turned = engine.turned
    return 0.0 if turned is None else time.monotonic() - turned


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
    beside = [asyncio.create_task(one) for one in (_beat(engine, role), _turn(engine))]
    try:
        return await engine.window.run(seconds=PUMP, stopping=stopping)
    finally:
        for task in beside:
            task.cancel()
        if engine.pumping:
            await _say(engine, role, "idle")


async def _beat(engine: _Engine, role: Role) -> None:
    """Beats while a pump lasts; most are over before the first beat, and cost none."""
    await asyncio.sleep(SHORT)
    while True:
        await _say(engine, role, "pumping")
        await asyncio.sleep(BEAT)


async def _turn(engine: _Engine) -> None:
    while True:
        engine.turned = time.monotonic()
        await asyncio.sleep(1.0)


async def _say(engine: _Engine, role: Role, doing: str) -> None:
    engine.pumping = doing == "pumping"
    load = {"in_flight": engine.window.taken, "window": settings.REDRIVE_WINDOW}
    await asyncio.to_thread(beat, engine.name, role, doing=doing, load=load)
