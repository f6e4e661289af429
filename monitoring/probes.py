"""What a supervisor asks: is the process alive, and may it be sent requests."""

from __future__ import annotations

import asyncio
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


async def healthz(_request: HttpRequest) -> JsonResponse:
    """200 while the event loop turns; asks nothing else, so that a sick database kills no web."""
    return JsonResponse({"status": "ok"})


async def readyz(_request: HttpRequest) -> JsonResponse:
    """200 if Postgres commits within a second and is migrated; Redis may be away: degraded."""
    try:
        async with asyncio.timeout(COMMIT_WITHIN):
            wrong = await sync_to_async(_postgres, thread_sensitive=False)()
    except TimeoutError:
        wrong = "Postgres does not commit within a second."
    if wrong is not None:
        return JsonResponse({"status": "not ready", "reason": wrong}, status=503)
    if await sync_to_async(_redis, thread_sensitive=False)():
        return JsonResponse({"status": "ready"})
    reason = "Redis does not answer: deliveries are slower."
    return JsonResponse({"status": "degraded", "reason": reason})


def _postgres() -> str | None:
    """What is wrong with Postgres; None if it takes writes."""
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
