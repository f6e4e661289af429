"""What looking costs: hundreds of open overviews on one web process, and how fresh they are."""

from __future__ import annotations

import asyncio
import base64
import os
import statistics
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import psutil

from bench.measure import Line
from bench.stack import Stack, free_port

SOCKETS = 500
A_USER = 6
"""Sockets that one person may have open."""

SPAN = 20.0
PATIENCE = 10.0
CHANGES = 20


class Viewer:
    """One socket: a WebSocket client as small as it can be, which reads and never writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.frames: list[float] = []
        self.bytes = 0
        self._wanted = ""
        self._seen = asyncio.Event()

    @classmethod
    async def open(cls, url: str, session: str) -> Viewer:
        """Raises ConnectionError if the handshake is refused."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (
            "GET /ws/console/?page=overview HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Origin: {url}",
            f"Cookie: redrive={session}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        )
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise ConnectionError(head.decode("latin-1"))
        return cls(reader, writer)

    async def read(self) -> None:
        """Takes frames for as long as it is let."""
        while True:
            first, size = await self._reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2))
            elif size == 127:
                size = int.from_bytes(await self._reader.readexactly(8))
            text = await self._reader.readexactly(size)
            if first & 15 == 1:
                self.frames.append(time.monotonic())
                self.bytes += size
                if self._wanted and self._wanted in text.decode():
                    self._seen.set()

    async def until(self, words: str) -> None:
        """Until a frame holds these words, from now on."""
        self._seen.clear()
        self._wanted = words
        await asyncio.wait_for(self._seen.wait(), PATIENCE)

    def close(self) -> None:
        self._writer.transport.abort()


class Sockets:
    """Phases on a stack that is up, with one web process."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._web = _web_process(stack)

    def lines(self) -> list[Line]:
        return asyncio.run(self._measured())

    async def _measured(self) -> list[Line]:
        sessions = self._stack.sessions(SOCKETS // A_USER + 1, "viewer")
        idle = await self._cpu()
        viewers = [
            await Viewer.open(self._stack.url, sessions[number // A_USER])
            for number in range(SOCKETS + 1)
        ]
        # The last one never reads: it is the slow client.
        reading = [asyncio.create_task(one.read()) for one in viewers[:-1]]
        await asyncio.sleep(3)
        for one in viewers:
            one.frames.clear()
            one.bytes = 0
        watched = await self._cpu()
        found = [
            _cost(idle, watched),
            _rhythm(viewers[:-1]),
            await self._freshness(viewers[0]),
        ]
        for one in viewers:
            one.close()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        return found

    async def _cpu(self) -> float:
        """Seconds of processor that the web process takes in a second."""
        before = sum(self._web.cpu_times()[:2])
        await asyncio.sleep(SPAN)
        return float(sum(self._web.cpu_times()[:2]) - before) / SPAN

    async def _freshness(self, viewer: Viewer) -> Line:
        """From the answer to a publish until a frame has its deliveries in the ledger."""
        fields = {"url": f"http://127.0.0.1:{free_port()}/", "types": ["bench.looked"]}
        made = self._stack.api("POST", "/subscriptions", fields)
        self._stack.api("POST", f"/subscriptions/{made['id']}/pause", {})
        created = self._stack.api("GET", "/status")["ledger"]["created"]
        waits = []
        for number in range(1, CHANGES + 1):
            shown = asyncio.create_task(viewer.until(f"{created + number:,} deliveries"))
            event = {"type": "bench.looked", "source": "/b", "data": {}}
            await asyncio.to_thread(self._stack.api, "POST", "/events", event)
            began = time.monotonic()
            await shown
            waits.append((time.monotonic() - began) * 1000)
        p95 = statistics.quantiles(waits, n=20)[18]
        words = f"p50 {statistics.median(waits):.0f}  p95 {p95:.0f} ms"
        return Line("commit to frame on the overview", words, "1,500 ms", f"{p95 / 1500:.2f}")


def _cost(idle: float, watched: float) -> Line:
    share = watched - idle
    words = f"{share:.0%} of a core for {SOCKETS} sockets"
    return Line("open overviews", words, "25% of a core", f"{share / 0.25:.2f}")


def _rhythm(viewers: Sequence[Viewer]) -> Line:
    """The time between two frames, over all who read, beside one who does not."""
    gaps = [
        later - earlier
        for one in viewers
        for earlier, later in zip(one.frames, one.frames[1:], strict=False)
    ]
    size = sum(one.bytes for one in viewers) / sum(len(one.frames) for one in viewers)
    p99 = statistics.quantiles(gaps, n=100)[98]
    words = f"p50 {statistics.median(gaps):.2f}  p99 {p99:.2f} s, {size / 1024:.1f} KB each"
    return Line("between two frames, one viewer not reading", words)


def _web_process(stack: Stack) -> psutil.Process:
    """The one that serves: below granian's own."""
    for process in psutil.Process(stack.pid).children(recursive=True):
        if any("granian" in word for word in process.cmdline()[:3]):
            return max(process.children() or [process], key=lambda one: sum(one.cpu_times()[:2]))
    raise RuntimeError("the stack has no web process")
