"""A real HTTP endpoint that does what its path says, and remembers every request.

    /ok  /status/503  /then/500/200  /gone  /later/120     answers
    /slow/0.5  /hold  /hang  /drip  /close  /reset          time and silence
    /redirect?http://…  /huge  /endless  /bomb  /garbage  /headers  /hundred  /short    hostility
    /markup                                                 HTML in body and headers

`/hold` answers when the test says `release()`. It runs on raw streams in a thread of its own.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

PATIENCE = 10.0
"""Seconds that a test waits for requests before it fails."""

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came; `headers` are by lower-case name, `at` is monotonic seconds."""

    method: str
    target: str
    headers: dict[str, str]
    pairs: list[tuple[str, str]]
    body: bytes
    at: float
    connection: int = field(compare=False)


class Receiver:
    """Starts at `with`, ends with it. `most_at_once` is how many requests were open together."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.most_at_once = 0
        self._open = 0
        self._seen: Counter[str] = Counter()
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._started = threading.Event()
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(PATIENCE)

    def url(self, path: str = "/ok", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def wait(self, many: int, *, path: str = "") -> list[Received]:
        """The requests whose target starts with `path`, once there are at least `many`."""
        with self._news:
            enough = self._news.wait_for(lambda: len(self.of(path)) >= many, PATIENCE)
        assert enough, f"{len(self.of(path))} requests came, not {many}"
        return self.of(path)

    def of(self, path: str) -> list[Received]:
        return [request for request in self.requests if request.target.startswith(path)]

    def release(self) -> None:
        """Lets every request to /hold be answered, those to come as well."""
        self._loop.call_soon_threadsafe(self._released.set)

    def forget(self) -> None:
        with self._news:
            self.requests.clear()

    @cached_property
    def _ending(self) -> asyncio.Event:
        return asyncio.Event()

    @cached_property
    def _released(self) -> asyncio.Event:
        return asyncio.Event()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        _ = self._ending, self._released
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1_000)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._ending.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        task = self._loop.create_task(self._talk((reader, writer), self._connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, streams: Streams, connection: int) -> None:
        writer = streams[1]
        try:
            while (request := await _read(streams[0], connection)) is not None:
                self._note(request)
                try:
                    stays_open = await self._do(request, writer)
                    await writer.drain()
                finally:
                    self._open -= 1
                if not stays_open:
                    break
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _note(self, request: Received) -> None:
        with self._news:
            self.requests.append(request)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            self._news.notify_all()

    async def _do(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Answers as the path says; gives whether the connection may serve another request."""
        path, _, query = request.target.partition("?")
        verb, *rest = path.strip("/").split("/")
        match verb:
            case "then":
                turn = self._seen[path]
                self._seen[path] += 1
                writer.write(answer(int(rest[min(turn, len(rest) - 1)])))
            case "hold":
                await self._released.wait()
                writer.write(answer(200))
            case "redirect":
                writer.write(answer(302, headers={"location": query}))
            case _ if verb in ANSWERS:
                writer.write(ANSWERS[verb](rest))
            case _:
                return await HOSTILE[verb](writer, rest)
        return True


def answer(status: int, body: bytes = b"", *, headers: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Word", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


ANSWERS: dict[str, Callable[[list[str]], bytes]] = {
    "ok": lambda _: answer(200, b"ok"),
    "status": lambda rest: answer(int(rest[0]), f"status {rest[0]}".encode()),
    "gone": lambda _: answer(410),
    "later": lambda rest: answer(429, headers={"retry-after": rest[0]}),
    "markup": lambda _: answer(500, MARKUP.encode(), headers={"x-markup": MARKUP}),
    "nul": lambda _: answer(500, b"a\0b\xff", headers={"x-odd": "caf\xe9"}),
    "bomb": lambda _: answer(200, _bomb(), headers={"content-encoding": "gzip"}),
    "headers": lambda _: b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
    "line": lambda _: b"HTTP/1.1 200 " + b"x" * 5_000_000 + b"\r\n\r\n",
    "odd": lambda rest: f"HTTP/1.1 {rest[0]} Odd\r\ncontent-length: 0\r\n\r\n".encode(),
}


def _bomb() -> bytes:
    return gzip.compress(bytes(20_000_000), 9)


async def _slow(writer: asyncio.StreamWriter, rest: list[str]) -> bool:
    await asyncio.sleep(float(rest[0]))
    writer.write(answer(200))
    return True


async def _hang(_: asyncio.StreamWriter, __: list[str]) -> bool:
    await asyncio.Event().wait()
    return False


async def _drip(writer: asyncio.StreamWriter, _: list[str]) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _close(_: asyncio.StreamWriter, __: list[str]) -> bool:
    return False


async def _reset(writer: asyncio.StreamWriter, _: list[str]) -> bool:
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def _huge(writer: asyncio.StreamWriter, _: list[str]) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n")
    for _number in range(50):
        writer.write(b"x" * 1_000_000)
        await writer.drain()
    return False


async def _endless(writer: asyncio.StreamWriter, _: list[str]) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def _garbage(writer: asyncio.StreamWriter, _: list[str]) -> bool:
    writer.write(b"\x00\x01SSH-2.0 not http at all\r\n\r\n")
    return False


async def _hundred(writer: asyncio.StreamWriter, _: list[str]) -> bool:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0.001)


async def _short(writer: asyncio.StreamWriter, _: list[str]) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort")
    return False


HOSTILE: dict[str, Callable[[asyncio.StreamWriter, list[str]], Awaitable[bool]]] = {
    "slow": _slow,
    "hang": _hang,
    "drip": _drip,
    "close": _close,
    "reset": _reset,
    "huge": _huge,
    "endless": _endless,
    "garbage": _garbage,
    "hundred": _hundred,
    "short": _short,
}


async def _read(reader: asyncio.StreamReader, connection: int) -> Received | None:
    """The next request of a connection; None at its end."""
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, pairs, body, time.monotonic(), connection)
