"""A name server of our own, which the processes of the stack ask and nobody else does.

They run in a mount namespace where another file lies over /etc/resolv.conf. That and port 53 take
root; where we are not, `why_not` says so and the drills that need names are not run.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import cast

from drills.proxy import Proxies

HEADER = struct.Struct("!6H")
TYPE_A, CLASS_IN = 1, 1
NO_ERROR, NO_SUCH_NAME = 0, 3

# Resolvers ask again for five seconds and more; a drill need not.
RESOLV_CONF = "nameserver {address}\noptions timeout:1 attempts:1\n"
COVER = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


def why_not() -> str:
    """Why names cannot be answered here; empty if they can."""
    if os.geteuid() != 0:
        return "port 53 and a mount namespace need root"
    if shutil.which("unshare") is None:
        return "the program unshare is missing"
    tried = subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True)
    return "" if tried.returncode == 0 else "no mount namespace can be made here"


class Names(asyncio.DatagramProtocol):
    """Answers for the names in `known`; with `down` it hears and says nothing."""

    def __init__(self, proxies: Proxies, folder: Path) -> None:
        self.known: dict[str, str] = {}
        self.down = False
        self.asked: list[str] = []
        self._proxies = proxies
        self._file = folder / "resolv.conf"

    def listen(self) -> Sequence[str]:
        """Starts; gives the command through which a program asks this server for names."""
        address = f"127.53.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        self._file.write_text(RESOLV_CONF.format(address=address))
        self._proxies.run(self._bind(address))
        return ("unshare", "-m", "sh", "-c", COVER, str(self._file))

    @contextmanager
    def silence(self) -> Iterator[None]:
        """The resolver is down: questions get no answer."""
        self.down = True
        try:
            yield
        finally:
            self.down = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._proxies.at_end(transport.close)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.down:
            self._transport.sendto(self._answer(data), addr)

    async def _bind(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(address, 53))

    def _answer(self, query: bytes) -> bytes:
        """One question, one A record; names that are known have no other records (RFC 1035, 4)."""
        number, *_ = HEADER.unpack_from(query)
        name, ends = _name(query, HEADER.size)
        kind, _ = struct.unpack_from("!2H", query, ends)
        self.asked.append(name)
        address = self.known.get(name) if kind == TYPE_A else None
        code = NO_ERROR if name in self.known else NO_SUCH_NAME
        record = b""
        if address is not None:
            record = struct.pack("!3HIH", 0xC00C, TYPE_A, CLASS_IN, 0, 4)
            record += IPv4Address(address).packed
        header = HEADER.pack(number, 0x8580 | code, 1, int(bool(record)), 0, 0)
        return header + query[HEADER.size : ends + 4] + record


def _name(query: bytes, at: int) -> tuple[str, int]:
    """A name made of labels, and where it ends."""
    labels = []
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    return ".".join(labels).lower(), at + 1
