"""The window: claim, send, record, refill, until nothing is due.

Sends finish one by one and each makes room for the next claim, so a slow endpoint holds only its
own places. Claims and records run on a thread each, with a connection each, and one of a kind is
under way at a time: while one commits, the next batch gathers.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

from events import load
from events.engine.claim import Claim, claim
from events.engine.destinations import Destinations
from events.engine.due import due_lanes
from events.engine.envelope import shown, wrap
from events.engine.judged import judged
from events.engine.record import Result
from events.engine.rescue import give_back, strike
from events.engine.safely import record_safely
from events.engine.transport import Transport
from events.lanes import FIRST
from events.rules.fitness import Vitals, sends_at_most
from events.rules.load import Step
from events.rules.verdict import Delivered
from events.uuids import new_uuid

T = TypeVar("T")

log = logging.getLogger(__name__)

FRESH = 2.0
"""Seconds after a claim in which its send may start: a pause holds from then on."""

LINGER = 0.01
"""Seconds until an empty claim is tried again while nothing is in flight."""

LOOKS = 0.04
"""Seconds until an empty claim is tried again while sends are under way, if none of them is
recorded before: no hint is heard meanwhile."""

EMPTY = 10
"""Empty claims in a row after which due work is left to the workers that hold its lanes."""

PATIENT = 0.25
"""Seconds after which a send that has no answer yet gives its place to another: it costs memory
and a socket, and endpoints that are slow or hang must not hold the window of all others. No window
waits for such a send with nothing claimed meanwhile."""

STRETCH = 4
"""How many times its size a window holds, with the sends that gave their places away."""

BATCHING = 0.005
"""Seconds in which finished sends make room for one claim together."""

STOPS_WITHIN = 20.0
"""Seconds that sends in flight get when the process is told to stop. What has no answer by then is
given back: it is due again, with the same webhook-id, and no attempt is counted."""

NOTICED = 0.25
"""Seconds after which a window that waits for its last sends sees that it is to stop."""


class Window:
    """The sends in flight of one process: at most `size`, refilled as they finish.

    `clock_offset` is by how many seconds PostgreSQL's clock is ahead of ours: receivers are told
    its time.
    """

    def __init__(self, *, worker: str, size: int, transport: Transport) -> None:
        self._worker = worker
        self._size = size
        self._most = STRETCH * size
        self.clock_offset = 0.0
        self._transport = transport
        self._destinations = Destinations()
        self._claiming = ThreadPoolExecutor(1, "claim")
        self._recording = ThreadPoolExecutor(1, "record")
        self._cursor = FIRST
        self._bodies = True
        self._sending: dict[asyncio.Task[None], float] = {}
        self._finished: list[Result] = []
        self._unrecorded = 0
        self._sent = 0
        self._moved = asyncio.Event()
        self._recorded = asyncio.Event()

    @property
    def in_flight(self) -> int:
        return len(self._sending)

    @property
    def taken(self) -> int:
        """Places in use: what hangs does not count, as long as the window is not stretched out."""
        young = time.monotonic() - PATIENT
        busy = sum(1 for began in self._sending.values() if began > young)
        return max(busy, self.in_flight + self._size - self._most)

    def has_handles(self, found: Vitals) -> None:
        """Opens no more sends than there are file handles for."""
        most = STRETCH * self._size
        self._most = sends_at_most(found, in_flight=self.in_flight, most=most)

    async def run(
        self,
        *,
        seconds: float,
        stopping: Callable[[], bool],
        over: Callable[[], bool] = lambda: False,
    ) -> int:
        """Delivers what is due until nothing is; gives the number sent.

        After `seconds`, and when Postgres cannot be reached, it ends as soon as no send hangs.
        After `over()` or `stopping()` it claims no more. It finishes and records what is in flight
        before it returns; after a stop that is bounded.
        """
        if connection.in_atomic_block:
            raise RuntimeError("a window was started while a transaction is open")
        before, closing = self._sent, asyncio.Event()
        recorder = asyncio.create_task(self._record(closing))

        def ended() -> bool:
            return stopping() or over() or recorder.done()

        try:
            while not ended():
                wait = 0.0
                try:
                    await self._deliver_due(seconds, stopping, ended)
                except (OperationalError, InterfaceError) as error:
                    log.warning("claiming stopped: %s", error)
                    await self._in(self._claiming, lambda: connection.close())  # noqa: PLW0108 - its own
                    wait = PATIENT
                if await self._rests():
                    break
                await asyncio.sleep(wait)
        finally:
            await self._finish(stopping)
            closing.set()
            self._moved.set()
            await recorder
        return self._sent - before

    async def _deliver_due(
        self, seconds: float, stopping: Callable[[], bool], ended: Callable[[], bool]
    ) -> None:
        """Claims and sends until nothing is due or in flight, or the seconds are over."""
        ends, empty = time.monotonic() + seconds, 0
        while time.monotonic() < ends and not ended():
            self._recorded.clear()
            taken = await self._refill(stopping)
            # What is not recorded yet holds its lane's places.
            empty = 0 if taken or self._sending or self._unrecorded else empty + 1
            if empty and (empty == EMPTY or not await self._in(self._claiming, self._due)):
                break
            if not taken:
                await self._until_recorded(LINGER if empty else LOOKS)
            await asyncio.sleep(BATCHING)

    async def _until_recorded(self, seconds: float) -> None:
        """Whatever is recorded may have made room in a lane that was at its cap."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._recorded.wait()

    async def _rests(self) -> bool:
        """Whether what is in flight has ended; waits for it, unless a send hangs."""
        young = time.monotonic() - PATIENT
        if self._sending and min(self._sending.values()) > young:
            await asyncio.wait(set(self._sending), timeout=PATIENT)
        return not self._sending

    async def _finish(self, stopping: Callable[[], bool]) -> None:
        """Waits for what is in flight; after a stop no longer than it may take."""
        ends = None
        while self._sending:
            if ends is None and stopping():
                ends = time.monotonic() + STOPS_WITHIN
            if ends is not None and time.monotonic() > ends:
                log.warning("stopping: %d sends without an answer are given back", self.in_flight)
                for task in self._sending:
                    task.cancel()
                ends = None
            await asyncio.wait(set(self._sending), timeout=NOTICED)

    async def _refill(self, stopping: Callable[[], bool]) -> int:
        free, since = self._size - self.taken, time.monotonic()
        claims = await self._in(self._claiming, partial(self._claim, free)) if free > 0 else ()
        if stopping():
            since = -math.inf  # Claimed meanwhile: nothing is sent any more, so it is given back.
        for one in claims:
            task = asyncio.create_task(self._deliver(one, since))
            self._sending[task] = since
            task.add_done_callback(self._done)
        self._sent += len(claims)
        return len(claims)

    @staticmethod
    def _due() -> bool:
        """Whether an empty claim left something: another worker may just have held its lane."""
        return due_lanes(most=1) > 0

    def _claim(self, want: int) -> Sequence[Claim]:
        """Goes on from lane to lane until it has something or has seen the last one."""
        while True:
            taken = claim(want=want, cursor=self._cursor, worker=self._worker, lease=new_uuid())
            self._cursor = taken.cursor
            self._bodies = Step.NO_BODIES not in load.current().steps
            if taken.claims or taken.cursor == FIRST:
                self._destinations.learn({(c.subscription, c.version) for c in taken.claims})
                return taken.claims

    async def _deliver(self, claimed: Claim, since: float) -> None:
        """A failure of our own at one delivery is counted against it and harms no other."""
        try:
            await self._send(claimed, since)
        except asyncio.CancelledError:
            await self._in(self._recording, partial(give_back, claimed))
            raise
        except Exception as error:
            log.exception("a delivery failed in our own code")
            words = f"sending failed: {type(error).__name__}"
            await self._in(self._recording, partial(strike, claimed, words=words))

    async def _send(self, claimed: Claim, since: float) -> None:
        to = self._destinations.get(claimed.subscription, claimed.version)
        if claimed.event is None:
            await self._in(self._recording, partial(strike, claimed, words="its event is gone"))
            return
        if to is None or time.monotonic() - since > FRESH:
            await self._in(self._recording, partial(give_back, claimed))
            return
        attempt = new_uuid()
        timestamp = int(time.time() + self.clock_offset)
        request = wrap(claimed, claimed.event, to, attempt=attempt, timestamp=timestamp)
        sent = await self._transport.send(request)
        sent.request_headers = shown(request, to)
        result = judged(attempt, claimed, sent, to.policy)
        if isinstance(result.verdict, Delivered) and not self._bodies:
            sent.response_body = b""
        self._finished.append(result)
        self._unrecorded += 1

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._moved.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery failed in our own code", exc_info=error)

    async def _record(self, closing: asyncio.Event) -> None:
        """Writes what has finished; what finishes meanwhile is the next batch."""
        while self._finished or not closing.is_set():
            await self._moved.wait()
            self._moved.clear()
            if self._finished:
                batch, self._finished = self._finished, []
                await self._in(self._recording, partial(record_safely, batch, self._worker))
                self._unrecorded -= len(batch)
                self._moved.set()
                self._recorded.set()

    @staticmethod
    async def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        """Runs blocking work in the thread that has its connection."""
        return await asyncio.get_running_loop().run_in_executor(thread, work)
