"""Coalesced commits: publishes that arrive while one commit is under way share the next.

Under load a commit costs a hundred requests one flush; on an idle system the first request
waits for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

from django.db import OperationalError, connection

from events.load import refusal
from events.problems import Problem
from events.publish import Accepted, Identity, NewEvent, Receipt, publish

Answer = list[Receipt] | Problem

EVENTS_A_COMMIT = 1_000
BYTES_A_COMMIT = 16 * 1024 * 1024
WAITING = 10_000
"""Events that may wait for a commit before publishes are refused."""

PATIENT = 1.0
"""Seconds of waiting after which a commit that fails takes those along that waited for it."""


@dataclass(slots=True)
class _Waiting:
    events: Sequence[NewEvent]
    guard: Identity | None
    done: asyncio.Future[Answer]
    size: int
    since: float = field(default_factory=time.monotonic)


class Commits:
    """Gathers publishes and commits them, one transaction at a time."""

    def __init__(self, *, identity_ttl: float, on_commit: Callable[[], None]) -> None:
        self._ttl = identity_ttl
        self._on_commit = on_commit
        self._thread = ThreadPoolExecutor(1, "publish")
        self._waiting: deque[_Waiting] = deque()
        self._waiting_events = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        return self._waiting_events >= WAITING

    async def add(self, events: Sequence[NewEvent], guard: Identity | None = None) -> Answer:
        """The receipts of these events, in order, once they are committed.

        Or the problem that refuses them at the present load. Raises what `publish` raises, each
        request for itself.
        """
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(events, guard, done, sum(len(e.data) for e in events)))
        self._waiting_events += len(events)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch = self._next()
                answers = await loop.run_in_executor(self._thread, self._commit, batch)
                for one, answer in zip(batch, answers, strict=True):
                    _settle(one, answer)
                if isinstance(answers[-1], OperationalError):
                    self._give_up(answers[-1])
                if any(_owes(answer) for answer in answers):
                    self._on_commit()
        finally:
            self._task = None

    def _commit(self, batch: Sequence[_Waiting]) -> list[Answer | Exception]:
        """An answer for each; one request that Postgres refuses does not refuse the others."""
        refused = [refusal(one.events) for one in batch]
        accepted = [one for one, problem in zip(batch, refused, strict=True) if problem is None]
        if not accepted:
            return [problem for problem in refused if problem is not None]
        try:
            events = [event for one in accepted for event in one.events]
            receipts = iter(publish(events, identity_ttl=self._ttl, guard=accepted[0].guard))
        except OperationalError as error:
            connection.close()
            return [error for _ in batch]
        except Exception as error:  # noqa: BLE001 - every request that waits must be answered
            if len(batch) == 1:
                return [error]
            return [answer for one in batch for answer in self._commit([one])]
        return [
            problem or [next(receipts) for _ in one.events]
            for one, problem in zip(batch, refused, strict=True)
        ]

    def _give_up(self, error: OperationalError) -> None:
        """Answers whoever waited for a commit that hung: the next may hang for as long again."""
        young = time.monotonic() - PATIENT
        while self._waiting and self._waiting[0].since < young:
            one = self._waiting.popleft()
            self._waiting_events -= len(one.events)
            _settle(one, error)

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


def _owes(answer: Answer | Exception) -> bool:
    """Whether there is anything for a worker to do."""
    return isinstance(answer, list) and any(
        isinstance(receipt, Accepted) and receipt.deliveries for receipt in answer
    )


def _settle(one: _Waiting, answer: Answer | Exception) -> None:
    # The client may have hung up: its request's task is gone, its event is stored.
    if one.done.done():
        return
    if isinstance(answer, Exception):
        one.done.set_exception(answer)
    else:
        one.done.set_result(answer)
