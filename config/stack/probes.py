"""Whether a process is ready to serve: each probe asks it, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Probe = Callable[[], Awaitable[bool]]

LONGEST = 2.0
"""Seconds that one question may take."""


def answers(host: str, port: int, *, ask: bytes, good: Callable[[bytes], bool]) -> Probe:
    """Sends `ask` over TCP and judges the first line that comes back."""

    async def talk() -> bool:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(ask)
            return good(await reader.readline())
        finally:
            writer.close()

    async def probe() -> bool:
        try:
            return await asyncio.wait_for(talk(), LONGEST)
        except (OSError, TimeoutError, ValueError):
            return False

    return probe


def http(host: str, port: int) -> Probe:
    """GET /healthz. A refusal is an answer too: the Host header may not be one of the allowed."""
    ask = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    return answers(host, port, ask=ask, good=_below_500)


def redis(host: str, port: int) -> Probe:
    return answers(host, port, ask=b"PING\r\n", good=lambda line: line.startswith(b"+PONG"))


def _below_500(line: bytes) -> bool:
    words = line.split()
    return len(words) > 1 and words[1].isdigit() and int(words[1]) < 500
