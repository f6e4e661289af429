"""Keeps the services running: a service that ends is started again, one that loops is named."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from config.stack import console
from config.stack.failures import CannotStart
from config.stack.restarts import LOOP, STEADY, History, Restart, after_exit
from config.stack.service import Running, Service, start
from config.stack.watch import Watch

STARTS_WITHIN = 60.0
"""Seconds in which a service has to become ready."""

POLL = 0.05
"""Seconds between two questions whether it is."""


class Supervisor:
    """Services run from `start` to `stop`; they stop in the order that `stop` is called.

    `tell` is given the services that are in a crash loop, with how each ended, when that changes.
    """

    def __init__(self, *, tell: Callable[[Mapping[str, str]], None]) -> None:
        self._watch = Watch()
        self._tell = tell
        self._loops: dict[str, str] = {}
        self._running: dict[str, Running] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def start(self, service: Service) -> None:
        """Returns when it is ready. Raises CannotStart when it ends or hangs before that."""
        running = await self._run(service)
        self._keepers[service.name] = asyncio.create_task(self._keep(service))
        await self._until_ready(service, running)

    async def complete(self, service: Service) -> None:
        """Runs a service that ends by itself. Raises CannotStart when it fails."""
        running = await self._run(service)
        try:
            if await running.ended() != 0:
                raise CannotStart(f"{running.last_line or f'{service.name} failed.'}")
        finally:
            await self.stop(service.name)

    async def stop(self, name: str) -> None:
        """Stops a service, if it runs, and waits until nothing of it is left."""
        if keeper := self._keepers.pop(name, None):
            keeper.cancel()
            await asyncio.wait([keeper])
        if running := self._running.pop(name, None):
            await running.stop()
            self._watch.drop(running.group)

    def close(self) -> None:
        """After everything is stopped."""
        self._watch.close()

    async def _run(self, service: Service) -> Running:
        running = self._running[service.name] = await start(service)
        self._watch.add(running.group)
        return running

    async def _until_ready(self, service: Service, running: Running) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while service.ready and not await service.ready():
            if running.exit_code is not None:
                raise CannotStart(f"{service.name} ended at its start: {running.last_line}")
            if time.monotonic() > deadline:
                raise CannotStart(f"{service.name} was not ready within {STARTS_WITHIN:g} s.")
            await asyncio.sleep(POLL)

    async def _keep(self, service: Service) -> None:
        history = History()
        started = time.monotonic()
        end = await self._end(service)
        while True:
            looped = history.looping
            history, restart = after_exit(history, started=started, now=time.monotonic())
            console.say(_about(service.name, end, restart, looped=looped))
            self._loop(service.name, end if restart.looping else "")
            await asyncio.sleep(restart.delay)
            started = time.monotonic()
            try:
                await self._run(service)
            except OSError as error:
                # No memory, no process number: the next try may find some.
                end = f"could not be started ({error.strerror})"
            else:
                end = await self._end(service)

    async def _end(self, service: Service) -> str:
        """Waits for the process to end, and says how it did."""
        running = self._running[service.name]
        steady = asyncio.get_running_loop().call_later(STEADY, self._loop, service.name, "")
        code = await running.ended()
        steady.cancel()
        self._watch.drop(running.group)
        return f"ended with code {code}" if code >= 0 else f"was ended by signal {-code}"

    def _loop(self, name: str, end: str) -> None:
        """How a service that is in a crash loop ended; empty once it runs again."""
        if self._loops.get(name, "") != end:
            self._loops = {**self._loops, name: end}
            self._tell({one: how for one, how in self._loops.items() if how})


def _about(name: str, end: str, restart: Restart, *, looped: bool) -> str:
    if not restart.looping:
        return f"{name} {end}: it starts again in {restart.delay:g} s"
    why = "it is still" if looped else f"{LOOP} exits within {STEADY:g} s:"
    return f"{name} {end}, {why} a crash loop: one try every {restart.delay / 60:g} minutes"
