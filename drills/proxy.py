"""A TCP proxy before each server that Redrive talks to, to be disturbed while it runs.

It delays, falls silent, resets, cuts and goes away, and is as good as new afterwards. What it holds
back while silent goes on its way when the silence ends, as TCP would send it again; what a cut or a
reset meets in there is lost.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]

CHUNK = 65_536
PATIENCE = 10.0
COMMIT = b"COMMIT"


def tcp(port: int) -> Connect:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def unix(path: str) -> Connect:
    return lambda: asyncio.open_unix_connection(path)


class Catch:
    """Waits for a transaction that mentions `needle`; from its COMMIT on it hears no answer."""

    def __init__(self, needle: bytes) -> None:
        self.needle = needle
        self.committing = threading.Event()


class _Link:
    """One client and its server. `seen` is whether this client's transaction is to be caught.

    `port` is the one that the client comes from.
    """

    def __init__(self, proxy: Proxy, client: Streams, server: Streams) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._seen = self._deaf = False
        self.port: int = client[1].get_extra_info("peername")[1]

    async def run(self) -> None:
        requests = self._pipe(self._client[0], self._server[1], to_server=True)
        answers = self._pipe(self._server[0], self._client[1], to_server=False)
        tasks = [asyncio.ensure_future(requests), asyncio.ensure_future(answers)]
        try:
            # A side that closes ends the other: none of our servers needs half of a connection.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.close()

    def close(self, *, reset: bool = False) -> None:
        for _, writer in (self._client, self._server):
            if reset:
                raw = writer.get_extra_info("socket")
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            writer.close()

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool
    ) -> None:
        """Reads ahead of what it may pass on, so that a delay costs time and no throughput."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1_000)
        passing = asyncio.ensure_future(self._pass(queue, writer, to_server=to_server))
        try:
            while chunk := await reader.read(CHUNK):
                if to_server:
                    self._look_at(chunk)
                late = 0.0 if to_server else self._proxy.delay
                await queue.put((asyncio.get_running_loop().time() + late, chunk))
            await queue.put((0.0, b""))
            await passing
        except OSError:
            return
        finally:
            passing.cancel()

    async def _pass(
        self,
        queue: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
        *,
        to_server: bool,
    ) -> None:
        loop, gate = asyncio.get_running_loop(), self._proxy.gates[to_server]
        while (entry := await queue.get())[1]:
            if (ahead := entry[0] - loop.time()) > 0:
                await asyncio.sleep(ahead)
            await gate.wait()
            if to_server or not self._deaf:
                writer.write(entry[1])
                await writer.drain()

    def _look_at(self, chunk: bytes) -> None:
        catch = self._proxy.catch
        if catch is None or self._deaf:
            return
        self._seen = self._seen or catch.needle in chunk
        if self._seen and COMMIT in chunk:
            self._deaf = True
            catch.committing.set()


class Proxy:
    """One port, the same for as long as it lives. `delay` is what an answer is late, in seconds."""

    def __init__(self, proxies: Proxies, connect: Connect) -> None:
        self._proxies = proxies
        self._connect = connect
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self.delay = 0.0
        self.catch: Catch | None = None
        self.port = 0
        self.gates = {to_server: asyncio.Event() for to_server in (True, False)}
        for gate in self.gates.values():
            gate.set()
        proxies.run(self._listen())

    @contextmanager
    def silence(self, *, requests: bool = True, answers: bool = True) -> Iterator[None]:
        """Connections are taken and bytes too, but none comes out on the other side."""
        chosen = [gate for to, gate in self.gates.items() if (requests if to else answers)]
        for gate in chosen:
            self._proxies.call(gate.clear)
        try:
            yield
        finally:
            for gate in chosen:
                self._proxies.call(gate.set)

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Every answer comes that much later."""
        self.delay = seconds
        try:
            yield
        finally:
            self.delay = 0.0

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Connections are reset and new ones refused."""
        self._proxies.run(self._leave())
        try:
            yield
        finally:
            self._proxies.run(self._listen())

    @contextmanager
    def catching(self, needle: bytes) -> Iterator[Catch]:
        """The answer to the COMMIT of the transaction that mentions `needle` is kept back."""
        self.catch = Catch(needle)
        try:
            yield self.catch
        finally:
            self.catch = None

    def cut(self, *, reset: bool = False, ports: Collection[int] | None = None) -> int:
        """Ends every connection, or those from some ports, in order or with a reset; how many."""
        return self._proxies.run(self._cut(reset=reset, ports=ports))

    def close(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()

    async def _cut(self, *, reset: bool, ports: Collection[int] | None = None) -> int:
        links = [link for link in self._links if ports is None or link.port in ports]
        for link in links:
            link.close(reset=reset)
        return len(links)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, backlog=1_000
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _leave(self) -> None:
        self.close()
        await self._cut(reset=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), server)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)


class Proxies:
    """The event loop of all proxies, in a thread of its own, while the context lasts."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._closing: list[Callable[[], object]] = []

    def __enter__(self) -> Proxies:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def before(self, connect: Connect) -> Proxy:
        made = Proxy(self, connect)
        self.at_end(made.close)
        return made

    def at_end(self, close: Callable[[], object]) -> None:
        """Has something closed, in the loop, before it ends."""
        self._closing.append(close)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something in the loop and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def call(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

    async def _end(self) -> None:
        for close in self._closing:
            close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
