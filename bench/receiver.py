"""A receiver that costs as little as Python can: raw asyncio, one process of its own.

`/hang` is never answered, `/slow` after ten seconds. `GET /count` answers how many deliveries came;
`GET /times` gives, for each, the nanosecond that the producer wrote into its data and the one at
which it arrived; `GET /arrivals` those of the requests to each path below `/rate`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import defaultdict

import uvloop

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LATE = 10.0
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
SENT = re.compile(rb'"sent":(\d+)')


class Receiver(asyncio.Protocol):
    """One connection; counts are the class's."""

    count = 0
    times: list[tuple[int, int]] = []
    arrivals: defaultdict[str, list[int]] = defaultdict(list)

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = LENGTH.search(head)
            size = int(found[1]) if found else 0
            if len(self._buffer) < end + 4 + size:
                return
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /count"):
            self._say({"count": Receiver.count})
        elif head.startswith(b"GET /times"):
            self._say(Receiver.times)
        elif head.startswith(b"GET /arrivals"):
            self._say(Receiver.arrivals)
        elif head.startswith(b"POST /hang"):
            return
        elif head.startswith(b"POST /slow"):
            asyncio.get_running_loop().call_later(LATE, self._transport.write, OK)  # type: ignore[attr-defined]
        else:
            Receiver.count += 1
            if head.startswith(b"POST /rate"):
                Receiver.arrivals[head.split()[1].decode()].append(time.time_ns())
            if sent := SENT.search(body):
                Receiver.times.append((int(sent[1]), time.time_ns()))
            self._transport.write(OK)  # type: ignore[attr-defined]

    def _say(self, found: object) -> None:
        body = json.dumps(found).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        self._transport.write(head + body)  # type: ignore[attr-defined]


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
