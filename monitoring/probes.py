"""What a supervisor asks: is the process alive, and may it be sent requests."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from redis import Redis, RedisError

COMMIT_WITHIN = 1.0
"""Seconds."""

# Writes to the log of Postgres and to no table, so that the commit is a real one: it waits for
# the disk, and fails on a standby.
WRITE = "SELECT pg_logical_emit_message(true, 'redrive', 'ready')"


@dataclass(slots=True)
class _Migrated:
    """Found out once: a process that ran on a migrated database is not unmigrated under it."""

    known: bool = False

    def check(self) -> bool:
        if not self.known:
            executor = MigrationExecutor(connection)
            self.known = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self.known


_migrated = _Migrated()


class _Asked:
    """The question to Postgres: one at a time, in a thread of its own, for all who ask meanwhile.

    While nothing commits it hangs for longer than its askers wait: each would leave a thread.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "ready")
        self._under_way: Future[str | None] | None = None

    async def answer(self) -> str | None:
        """What is wrong with Postgres; None if it takes writes."""
        if self._under_way is None or self._under_way.done():
            self._under_way = self._thread.submit(_postgres)
        answer = asyncio.wrap_future(self._under_way)
        try:
            return await asyncio.wait_for(asyncio.shield(answer), COMMIT_WITHIN)
        except TimeoutError:
            return "Postgres does not commit within a second."


_asked = _Asked()


async def healthz(_request: HttpRequest) -> JsonResponse:
    """200 while the event loop turns; asks nothing else, so that a sick database kills no web."""
    return JsonResponse({"status": "ok"})


async def readyz(_request: HttpRequest) -> JsonResponse:
    """200 if Postgres commits within a second and is migrated; Redis may be away: degraded."""
    wrong = await _asked.answer()
    if wrong is not None:
        return JsonResponse({"status": "not ready", "reason": wrong}, status=503)
    if await sync_to_async(_redis, thread_sensitive=False)():
        return JsonResponse({"status": "ready"})
    reason = "Redis does not answer: deliveries are slower."
    return JsonResponse({"status": "degraded", "reason": reason})


def _postgres() -> str | None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(WRITE)
        return None if _migrated.check() else "Migrations are missing: run manage.py migrate."
    except DatabaseError as error:
        return f"Postgres cannot be reached: {type(error).__name__}."
    finally:
        connection.close()


def _redis() -> bool:
    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3
        ) as redis:
            return bool(redis.ping())
    except RedisError:
        return False
