"""The order in which the stack comes up and goes down."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import time
from collections.abc import Coroutine
from functools import cached_property

from config.stack import console, services
from config.stack.credentials import (
    API_KEY,
    FIRST_START_ONLY,
    PASSWORD,
    Credentials,
    credentials,
)
from config.stack.failures import CannotStart
from config.stack.folder import Folder, write_values
from config.stack.options import LOOPBACK, STATIC, Options
from config.stack.outside import wait_for_database, wait_for_redis
from config.stack.postgres import Postgres
from config.stack.service import Service
from config.stack.supervisor import Supervisor
from config.stack.valkey import Valkey

STOPS_IN_ORDER = (
    ("demo",),
    ("web",),
    ("dispatcher", "worker", "prepare"),
    ("valkey", "postgres"),
)
"""Those of one line stop together."""

LEFTOVERS_END_WITHIN = 10.0
"""Seconds that the processes of a killed supervisor take at most to let go of the port."""


async def up(options: Options) -> None:
    """Runs until SIGINT, SIGTERM or SIGHUP. Raises CannotStart; nothing is left running then."""
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    folder = Folder(options.data)
    killed = folder.open()
    try:
        # What a killed stack left is ending at this moment.
        await free_port(options, within=LEFTOVERS_END_WITHIN if killed else 0.0)
        stack = Stack(options, folder)
        try:
            await _until(ending, stack.start())
        finally:
            await stack.stop()
    finally:
        folder.close()


async def _until(ending: asyncio.Event, start: Coroutine[None, None, None]) -> None:
    """Starts and waits for the end, which may come before the start is over."""
    starting = asyncio.create_task(start)
    ended = asyncio.create_task(ending.wait())
    await asyncio.wait([starting, ended], return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        await ended
        return
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting


async def free_port(options: Options, *, within: float) -> None:
    """Raises CannotStart if the port is not free within that many seconds."""
    deadline = time.monotonic() + within
    while True:
        try:
            check_port(options)
        except CannotStart:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return


def check_port(options: Options) -> None:
    """Before anything is started; web servers would share a port without a word."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            # Connections of an earlier run that are closing do not matter, a listener does.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except OSError as error:
        place = f"Port {options.port} of {options.host}"
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"{place} is taken by another program: stop that, or choose one with REDRIVE_PORT."
            ) from None
        raise CannotStart(f"{place} cannot be listened on: {error.strerror}.") from None


class Stack:
    """The servers and processes of one start."""

    def __init__(self, options: Options, folder: Folder) -> None:
        self._options = options
        self._supervisor = Supervisor(tell=folder.tell_loops)
        self._folder = folder
        self._credentials = credentials(folder.credentials, os.environ)
        self._postgres = None if options.database_url else Postgres(folder)
        self._valkey = None if options.redis_url else Valkey(folder)

    async def start(self) -> None:
        self._say_what_is_open()
        STATIC.mkdir(exist_ok=True)
        await asyncio.gather(self._start_database(), self._start_redis())
        await self._start_processes()
        # For commands that work on the running stack.
        write_values(self._folder.environment, self._own_environ)
        self._say_credentials()
        console.announce(f"Redrive is ready at {self._options.url}")
        if self._options.demo:
            await self._supervisor.start(services.demo(self._options, self._first_environ))

    async def stop(self) -> None:
        """Those that take in work first, then those that do it, then what they need."""
        console.say("stopping")
        for names in STOPS_IN_ORDER:
            await asyncio.gather(*(self._supervisor.stop(name) for name in names))
        self._supervisor.close()
        if self._postgres:
            self._postgres.clear()
        console.say("stopped")

    async def _start_database(self) -> None:
        if self._postgres is None:
            await wait_for_database(self._environ["DATABASE_URL"])
            return
        await asyncio.to_thread(self._postgres.prepare)
        await self._supervisor.start(self._postgres.service(_server_environ()))

    async def _start_redis(self) -> None:
        if self._valkey is None:
            await wait_for_redis(self._environ["REDIS_URL"])
        else:
            await self._supervisor.start(self._valkey.service(_server_environ()))

    async def _start_processes(self) -> None:
        await self._supervisor.complete(services.prepare(self._first_environ))
        found: list[Service] = [
            services.web(self._options, self._environ),
            services.worker(self._options, self._environ),
            services.dispatcher(self._environ),
        ]
        await asyncio.gather(*(self._supervisor.start(service) for service in found))

    @cached_property
    def _own_environ(self) -> dict[str, str]:
        found = {
            "DATABASE_URL": self._postgres.url if self._postgres else self._options.database_url,
            "REDIS_URL": self._valkey.url if self._valkey else self._options.redis_url,
            "REDRIVE_ALLOW_ADDRESSES": _allowed(self._options),
            **self._credentials.for_all,
        }
        return {name: text for name, text in found.items() if text is not None}

    @property
    def _environ(self) -> dict[str, str]:
        """What every process gets: not the password and key, which are for the first start."""
        rest = {name: text for name, text in os.environ.items() if name not in FIRST_START_ONLY}
        return {**rest, **self._own_environ, "PYTHONUNBUFFERED": "1"}

    @property
    def _first_environ(self) -> dict[str, str]:
        return self._environ | self._credentials.for_first_start

    def _say_what_is_open(self) -> None:
        if self._options.allow_addresses is None:
            console.say(
                f"deliveries may go to this machine too ({LOOPBACK}): REDRIVE_ALLOW_ADDRESSES "
                "was not set"
            )

    def _say_credentials(self) -> None:
        if self._credentials.new:
            announce_credentials(self._credentials)


def announce_credentials(made: Credentials) -> None:
    """Once: later they are in the data folder only. What was given is not said again."""

    def shown(name: str) -> str:
        return made.values[name] if name in made.made else f"that {name} was set to"

    console.announce(f"Sign in as admin with the password {shown(PASSWORD)}")
    console.announce(f"The API key with all scopes is     {shown(API_KEY)}")


def _allowed(options: Options) -> str:
    return LOOPBACK if options.allow_addresses is None else options.allow_addresses


def _server_environ() -> dict[str, str]:
    """The embedded servers need nothing of ours, and no secret."""
    return {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
