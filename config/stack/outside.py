"""Servers that are not ours: waited for, because they may be starting too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
import redis

from config.stack import console
from config.stack.failures import CannotStart

WAIT = 30.0
AGAIN = 0.5
REMIND = 5.0
"""Seconds: how long a server is waited for, between two tries, and between two reminders."""


async def wait_for_database(url: str) -> None:
    """Raises CannotStart when it cannot be used within WAIT."""

    def try_it() -> None:
        psycopg.connect(url, connect_timeout=2).close()

    await _wait(f"the database at {_place(url)} (DATABASE_URL)", try_it)


async def wait_for_redis(url: str) -> None:
    """Raises CannotStart when it does not answer within WAIT."""

    def try_it() -> None:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()

    await _wait(f"Redis at {_place(url)} (REDIS_URL)", try_it)


async def _wait(what: str, try_it: Callable[[], None]) -> None:
    started, reminded = time.monotonic(), -REMIND
    while True:
        try:
            await asyncio.to_thread(try_it)
        except (psycopg.Error, redis.RedisError, ValueError, OSError) as error:
            why = " ".join(str(error).split())
        else:
            return
        waited = time.monotonic() - started
        if waited > WAIT:
            raise CannotStart(f"Gave up on {what} after {WAIT:g} s: {why}")
        if waited - reminded >= REMIND:
            reminded = waited
            console.say(f"waiting for {what}, at most {WAIT - waited:.0f} s more: {why}")
        await asyncio.sleep(AGAIN)


def _place(url: str) -> str:
    """Where a URL points to, without the password."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.query or parts.path
