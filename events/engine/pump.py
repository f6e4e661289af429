"""One process's window, run again for every pump; its loop, clients and caches stay warm."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop
from django.conf import settings
from django.db import Error, connection

from events import vitals
from events.engine.run import Window
from events.engine.stop import stopping
from events.engine.transport import Transport
from events.heartbeat import BEAT, beat, process_name, shown
from events.models import Heartbeat
from events.models.process import OUT, Role
from events.rules.fitness import Vitals, is_stalled, unfit

log = logging.getLogger(__name__)

PUMP = 30.0
"""Seconds after which a pump ends though there is more: so that a worker hears its broker."""


SHORT = 0.2
"""Seconds that a pump may last without a beat of its own."""

CHECKED = 5.0
"""Seconds for which a process that was found fit, or unfit, is taken to be so."""

UNKNOWN = "its clock was not compared yet"

TURN = 1.0
"""Seconds between two notes that the loop turns."""

STALLED = 70
"""Exit status of a process whose loop stood still, or whose worker is deaf: it is started anew."""

ENDS_WITHIN = 30.0
"""Seconds that a deaf worker gets to end in order: its sends and their record."""


@dataclass(slots=True)
class _Engine:
    """What one process keeps between pumps. Its event loop belongs to whoever pumps.

    `heard` is how many pumps it was asked for, `said` what its last beat said it does, `found` its
    last vital signs, `unfit` why it may not claim, `turned` when its loop last turned, None while
    none runs, `lag` by how many seconds that was late. `worker` names the Celery worker that hears
    for it, `parent` is its process id, None where there is none; `told` when that was told to end.
    """

    pid: int
    name: str
    runner: asyncio.Runner
    window: Window
    lock: threading.Lock
    heard: int = 0
    said: str = "idle"
    found: Vitals = field(default_factory=Vitals)
    unfit: str = UNKNOWN
    checked: float = -CHECKED
    turned: float | None = None
    lag: float = 0.0
    worker: str = ""
    parent: int | None = None
    told: float | None = None


_engine: _Engine | None = None
_making = threading.Lock()


def pump(*, beats: bool = True, over: Callable[[], bool] = lambda: False) -> int:
    """Delivers what is due until nothing is, or for PUMP seconds; gives the number sent.

    It lasts longer while sends hang, for which it would else wait with nothing claimed meanwhile.
    A second call in the same process while one runs returns at once, and so does a call in a
    process that is not fit to send. `beats`: whether it writes the heartbeat of its process.
    After `over()` it claims no more.
    """
    engine = _this_process()
    engine.heard += 1
    if not engine.lock.acquire(blocking=False):
        return 0
    try:
        return engine.runner.run(_run(engine, beats=beats, over=over)) if _is_fit(engine) else 0
    finally:
        engine.turned = None
        engine.lock.release()


def told() -> tuple[str, dict[str, object]]:
    """What this process does and how it fares, looked at now, for whoever beats for it."""
    engine = _this_process()
    _end_if_stalled(engine)
    _look(engine)
    return _doing(engine), _load(engine)


def beat_while_idle(*, parent: int | None = None) -> None:
    """Starts a thread that beats between pumps: an idle process has no loop to beat from.

    `parent` is the process of the Celery worker that this one belongs to.
    """
    engine = _this_process()
    engine.parent = parent
    engine.worker = engine.name if parent is None else f"{socket.gethostname()}:{parent}"
    threading.Thread(target=_idle, name="beat", daemon=True).start()


def _idle() -> None:
    while True:
        # Not at once: Celery closes what a new process has inherited, the pool with it.
        time.sleep(SHORT)
        engine = _this_process()
        if engine.lock.locked():
            _end_if_stalled(engine)
        else:
            _look_and_say(engine)
            _end_if_deaf(engine)
        time.sleep(BEAT - SHORT)


def _end_if_deaf(engine: _Engine) -> None:
    """Ends the worker that hears nothing; one that does not end by itself is killed."""
    if engine.parent is None or not _is_deaf(engine):
        return
    is_below = os.getppid() == engine.parent
    if engine.told is None and is_below:
        engine.told = time.monotonic()
        log.critical("the worker hears no hints: it ends and is started anew")
        os.kill(engine.parent, signal.SIGTERM)
    elif not is_below or time.monotonic() - (engine.told or 0.0) > ENDS_WITHIN:
        if is_below:
            os.kill(engine.parent, signal.SIGKILL)
        os._exit(STALLED)


def _is_deaf(engine: _Engine) -> bool:
    try:
        return Heartbeat.objects.names_deaf(engine.worker)
    except Error as error:
        log.warning("whether the worker is heard is not known: %s", error)
        connection.close()
        return False


def _is_fit(engine: _Engine) -> bool:
    if time.monotonic() - engine.checked >= CHECKED:
        _look(engine)
    return not engine.unfit


def _look(engine: _Engine) -> None:
    """Looks at clock and handles; an unfit process takes itself out and says why."""
    try:
        found = engine.found = vitals.measure()
    except Error as error:
        log.warning("the clock was not compared: %s", error)
        connection.close()
        return
    engine.window.clock_offset = found.clock_offset
    engine.window.has_handles(found)
    was, engine.unfit = engine.unfit, unfit(found)
    engine.checked = time.monotonic()
    was_fit = was in ("", UNKNOWN)
    if engine.unfit and was_fit:
        log.error("out of rotation: %s", engine.unfit)
    elif not engine.unfit and not was_fit:
        log.warning("back in rotation")


def _doing(engine: _Engine) -> str:
    if engine.unfit:
        return f"{OUT}{engine.unfit}"
    return "pumping" if engine.lock.locked() else "idle"


def _load(engine: _Engine) -> dict[str, object]:
    return shown(engine.found) | {
        "in_flight": engine.window.taken,
        "window": settings.REDRIVE_WINDOW,
        "heard": engine.heard,
        "worker": engine.worker,
        "loop_lag_ms": round(engine.lag * 1000, 1),
    }


def _say(engine: _Engine, doing: str) -> None:
    engine.said = doing
    beat(engine.name, Role.WORKER, doing=doing, load=_load(engine))


def _end_if_stalled(engine: _Engine) -> None:
    if is_stalled(Vitals(still=_still(engine))):
        log.critical("the event loop stands still: this process ends and is started anew")
        faulthandler.dump_traceback(all_threads=True)
        os._exit(STALLED)


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


def _is_out(engine: _Engine) -> bool:
    """Unfit meanwhile, or left behind by a Celery worker that was killed."""
    return bool(engine.unfit) or (engine.parent is not None and os.getppid() != engine.parent)


async def _run(engine: _Engine, *, beats: bool, over: Callable[[], bool]) -> int:
    engine.turned = time.monotonic()
    beside = [asyncio.create_task(_turn(engine))]
    if beats:
        beside.append(asyncio.create_task(_beat(engine)))
    try:
        return await engine.window.run(
            seconds=PUMP, stopping=stopping, over=lambda: _is_out(engine) or over()
        )
    finally:
        for task in beside:
            task.cancel()
        if engine.said == "pumping":
            await asyncio.to_thread(_say, engine, "idle")


async def _beat(engine: _Engine) -> None:
    """Beats while a pump lasts; most are over before the first beat, and cost none."""
    await asyncio.sleep(SHORT)
    while True:
        await asyncio.to_thread(_look_and_say, engine)
        await asyncio.sleep(BEAT)


def _look_and_say(engine: _Engine) -> None:
    _look(engine)
    _say(engine, _doing(engine))


async def _turn(engine: _Engine) -> None:
    while True:
        engine.turned = time.monotonic()
        await asyncio.sleep(TURN)
        engine.lag = max(0.0, time.monotonic() - engine.turned - TURN)
