"""The dispatcher: finds what is due, wakes workers, and starts the periodic jobs.

Run one or five. It holds no state: a poke is a hint, and each job is started by whichever
dispatcher moves its row first. While the broker is away it delivers in its own process.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error, connection

from events import jobs, tasks
from events.engine import pump
from events.engine.due import due_lanes
from events.engine.ears import Ears
from events.engine.stop import stop
from events.heartbeat import BEAT, beat, leave, process_name
from events.models import Heartbeat
from events.models.process import Role
from events.vitals import raise_handle_limit

log = logging.getLogger(__name__)

ASK = 0.25
"""Seconds between two rounds of pumps that are asked for while work is due."""

FAILURES = 3
"""Refused pumps in a row after which the dispatcher delivers by itself."""

DEAF = 1.0
"""Seconds in which a worker should have heard a pump: a broker that is back is not yet heard by
workers that wait before they try it again, so until then the dispatcher helps."""

TRIAL = 5.0
"""Seconds between two tries to reach a broker that was away."""

JOBS_END_WITHIN = 1.0
"""Seconds that jobs under way get at a stop. What they do is done by the step: the next run of any
dispatcher goes on from there."""

PUMP_ENDS_WITHIN = 23.0
"""Seconds that a pump of its own gets at a stop: its sends, and the recording of them."""


class Dispatcher:
    """One dispatcher's loop; `tick` is one turn of it."""

    def __init__(self) -> None:
        self.name = process_name()
        # A thread each: a replay that takes hours must not keep a lease from being rescued.
        self._jobs = ThreadPoolExecutor(len(settings.REDRIVE_JOBS), "job")
        self._running: dict[str, Future[None]] = {}
        self._asked = self._beaten = self._failed = self._unheard = 0.0
        self._ears = Ears()
        self._failures = 0
        self._workers_deliver = False
        self._own: threading.Thread | None = None

    @property
    def alone(self) -> bool:
        """Whether it delivers by itself, because the broker takes nothing."""
        return self._failures >= FAILURES

    def tick(self) -> None:
        """Wakes workers for what is due and starts the jobs whose time has come."""
        now = time.monotonic()
        workers = list(Heartbeat.objects.alive().filter(role=Role.WORKER))
        self._ears.listen(workers)
        if now - self._beaten >= BEAT:
            self._beaten = now
            self._beat(now)
        doing = [one.doing for one in workers]
        due = due_lanes(most=max(1, len(doing)))
        self._workers_deliver = "pumping" in doing
        self._unheard = self._unheard or now if due and not self._workers_deliver else 0.0
        if due and now - self._asked >= ASK:
            self._asked = now
            self._ask(due)
        for name in jobs.start_due(settings.REDRIVE_JOBS):
            self._start(name)

    def _beat(self, now: float) -> None:
        """One row for the process: its own pump writes none beside it."""
        doing, load = pump.told()
        load |= {
            "alone": self.alone,
            "unanswered": round(self._ears.unanswered(now)),
            "deaf": self._ears.deaf(now),
        }
        doing = "dispatching" if doing == "idle" else doing
        beat(self.name, Role.DISPATCHER, doing=doing, load=load)

    def _ask(self, pumps: int) -> None:
        now = time.monotonic()
        if self.alone or (self._unheard and now - self._unheard > DEAF):
            self._pump_here()
        if self.alone and now - self._failed < TRIAL:
            return
        try:
            for _ in range(pumps):
                tasks.ask_for_a_pump()
        except ConnectionError as error:
            self._ears.refused()
            self._failures += 1
            self._failed = time.monotonic()
            if self._failures == FAILURES:
                log.error("the broker is away, delivering in this process: %s", error)
        else:
            if self.alone:
                log.warning("the broker is back, workers deliver again")
            self._failures = 0
            self._ears.asked(pumps, now=now)

    def _pump_here(self) -> None:
        if self._own is None or not self._own.is_alive():
            self._own = threading.Thread(target=self._pump, name="pump", daemon=True)
            self._own.start()

    def _is_spare(self) -> bool:
        """Whether workers deliver again."""
        return self._workers_deliver and not self.alone

    def _pump(self) -> None:
        try:
            pump.pump(beats=False, over=self._is_spare)
        finally:
            # A thread that ends does not give its connection back to the pool.
            connection.close()

    def _start(self, name: str) -> None:
        if name not in self._running or self._running[name].done():
            self._running[name] = self._jobs.submit(_run, name)

    def close(self) -> bool:
        """Ends its own pump, which finishes what it sends; whether every job has ended, too."""
        ends = time.monotonic() + JOBS_END_WITHIN
        if self._own is not None:
            self._own.join(PUMP_ENDS_WITHIN)
        self._jobs.shutdown(wait=False, cancel_futures=True)
        running = wait(self._running.values(), timeout=max(0.0, ends - time.monotonic())).not_done
        return not running


def _run(name: str) -> None:
    try:
        current_app.tasks[name]()
    except Error as error:
        log.warning("the job %s failed: %s", name, error)
    except Exception:
        log.exception("the job %s failed", name)
    finally:
        # Back to the pool, which has fewer connections than there are threads.
        connection.close()


class Command(BaseCommand):
    help = "Finds due deliveries, wakes workers and starts the periodic jobs, until stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        ending = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: ending.set())
        current_app.loader.import_default_modules()
        raise_handle_limit()
        dispatcher = Dispatcher()
        while not ending.wait(settings.REDRIVE_POLL):
            try:
                dispatcher.tick()
            except Error as error:
                log.warning("Postgres cannot be reached: %s", error)
                connection.close()
                ending.wait(1.0)
        stop()
        done = dispatcher.close()
        leave(dispatcher.name)
        if not done:
            # The interpreter would wait for the threads of jobs, however long they take.
            logging.shutdown()
            os._exit(0)
