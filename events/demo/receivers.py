"""The built-in endpoints: a small HTTP server whose paths behave well or badly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

HEADERS_MAX = 65_536
CUT = (OSError, EOFError, ValueError, asyncio.LimitOverrunError, asyncio.CancelledError)
SLOW = 0.8
"""Seconds that the slow endpoint takes."""

FLAKY = 0.3
"""The share of requests that the flaky endpoint refuses."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Given after `wait` seconds."""

    status: str
    body: str
    wait: float = 0.0


ANSWERS = {
    "/good": Answer("200 OK", "received"),
    "/slow": Answer("200 OK", "received, in the end", wait=SLOW),
    "/flaky": Answer("200 OK", "received this time"),
    "/failing": Answer("500 Internal Server Error", "the courier's database is down"),
    "/gone": Answer("410 Gone", "this shop has closed"),
}
REFUSAL = Answer("503 Service Unavailable", "try again later")
NOWHERE = Answer("404 Not Found", "no such endpoint")


def answer(path: str, dice: Callable[[], float]) -> Answer:
    """What the endpoint at a path says; `dice` gives a number from 0 to 1."""
    refuses = path == "/flaky" and dice() < FLAKY
    return REFUSAL if refuses else ANSWERS.get(path, NOWHERE)


class Receivers:
    """Serves the endpoints on each connection until the other side closes it."""

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice = dice

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection that is cut, even by our own end, is no error here.
        with contextlib.suppress(*CUT):
            while True:
                await self._answer_one(reader, writer)
        writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        _, path, _ = head[0].split(" ", 2)
        await reader.readexactly(_content_length(head[1:]))
        found = answer(path, self._dice)
        await asyncio.sleep(found.wait)
        body = found.body.encode()
        writer.write(
            f"HTTP/1.1 {found.status}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()


def _content_length(headers: list[str]) -> int:
    for header in headers:
        name, _, text = header.partition(":")
        if name.lower() == "content-length":
            return int(text)
    return 0
