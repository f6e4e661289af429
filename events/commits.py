"""Coalesced commits: publishes that arrive while one commit is under way share the next.

Under load a commit costs a hundred requests one flush; on an idle system the first request
waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError, OperationalError, connection

from events.publish import GuardConflict, Identity, NewEvent, Receipt, publish

EVENTS_A_COMMIT = 1_000
BYTES_A_COMMIT = 16 * 1024 * 1024
WAITING = 10_000
"""Events that may wait for a commit before publishes are refused."""


@dataclass(slots=True)
class _Waiting:
    events: Sequence[NewEvent]
    guard: Identity | None
    done: asyncio.Future[list[Receipt]]
    size: int


class Commits:
    """Gathers publishes and commits them, one transaction at a time."""

    def __init__(self, *, identity_ttl: float, on_commit: Callable[[], None]) -> None:
        self._identity_ttl = identity_ttl
        self._on_commit = on_commit
        self._thread = ThreadPoolExecutor(1, "publish")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_events = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        return self._waiting_events >= WAITING

    async def add(self, events: Sequence[NewEvent], guard: Identity | None = None) -> list[Receipt]:
        """The receipts of these events, in order, once they are committed.

        Raises what `publish` raises, each request for itself.
        """
        done: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(events, guard, done, sum(len(e.data) for e in events)))
        self._waiting_events += len(events)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await self._settle(loop, self._next())
        finally:
            self._task = None

    async def _settle(self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting]) -> None:
        events = [event for one in batch for event in one.events]
        try:
            receipts = await loop.run_in_executor(
                self._thread, self._publish, events, batch[0].guard
            )
        except (DatabaseError, GuardConflict) as error:
            await self._settle_apart(loop, batch, error)
            return
        start = 0
        for one in batch:
            end = start + len(one.events)
            _resolve(one, receipts[start:end])
            start = end
        self._on_commit()

    async def _settle_apart(
        self, loop: asyncio.AbstractEventLoop, batch: list[_Waiting], error: Exception
    ) -> None:
        """One request's row that Postgres refuses must not refuse the others."""
        if len(batch) == 1 or isinstance(error, OperationalError):
            for one in batch:
                if not one.done.done():
                    one.done.set_exception(error)
            return
        for one in batch:
            await self._settle(loop, [one])

    def _publish(self, events: list[NewEvent], guard: Identity | None) -> list[Receipt]:
        try:
            return publish(events, identity_ttl=self._identity_ttl, guard=guard)
        except OperationalError:
            connection.close()
            raise

    def _next(self) -> list[_Waiting]:
        """As much as one commit may carry; a second event of one identity waits for the next."""
        batch: list[_Waiting] = []
        seen: set[UUID] = set()
        count = size = 0
        while self._waiting:
            one = self._waiting[0]
            keys = {event.identity.key for event in one.events if event.identity}
            over = count + len(one.events) > EVENTS_A_COMMIT or size + one.size > BYTES_A_COMMIT
            if batch and (over or keys & seen or one.guard or batch[0].guard):
                break
            batch.append(self._waiting.popleft())
            seen |= keys
            count, size = count + len(one.events), size + one.size
        self._waiting_events -= count
        return batch


def _resolve(one: _Waiting, receipts: list[Receipt]) -> None:
    # The client may have hung up: its request's task is gone, its event is stored.
    if not one.done.done():
        one.done.set_result(receipts)
