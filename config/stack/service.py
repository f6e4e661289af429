"""One supervised process: started, its output shown, stopped with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.stack import console
from config.stack.options import ROOT
from config.stack.probes import Probe
from config.stack.system_user import Owner

CHUNK = 65_536
CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True, slots=True)
class Service:
    """What to run and how it ends.

    `ready` asks whether it serves; without it, it is ready at once. `grace` is the seconds that
    it gets to stop. `orphaned` is the signal that the kernel sends it when the supervisor dies. A
    line that holds the text `mute` is not shown.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    grace: float
    ready: Probe | None = None
    stop: signal.Signals = signal.SIGTERM
    orphaned: signal.Signals = signal.SIGTERM
    owner: Owner | None = None
    mute: str | None = None


class Running:
    """A started process of a service."""

    def __init__(self, service: Service, process: Process) -> None:
        self.service = service
        self.last_line = ""
        self._process = process
        self._output = asyncio.create_task(self._show())

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    @property
    def group(self) -> int:
        """The process group of all that it starts; a server's own children may leave it."""
        return self._process.pid

    async def ended(self) -> int:
        """Waits for the exit and ends what the process left behind in its group."""
        await self._exited()
        self._signal_group(signal.SIGKILL)
        code = await self._process.wait()
        await asyncio.wait([self._output], timeout=1.0)
        return code

    async def _exited(self) -> None:
        """Waits for the process alone: asyncio's wait() also waits for children with its output."""
        try:
            process = os.pidfd_open(self._process.pid)
        except ProcessLookupError:
            return
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(process, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(process)
            os.close(process)

    async def stop(self) -> None:
        """Asks the process alone, since Celery's children must not be told, then kills all."""
        if self.exit_code is None:
            self._process.send_signal(self.service.stop)
        try:
            await asyncio.wait_for(self._exited(), self.service.grace)
        except TimeoutError:
            console.say(f"{self.service.name} did not stop within {self.service.grace:g} s: killed")
            self._signal_group(signal.SIGKILL)
        await self.ended()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)

    async def _show(self) -> None:
        reader = self._process.stdout
        rest = b""
        while reader is not None and (chunk := await reader.read(CHUNK)):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > CHUNK:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._show_line(line)
        if rest:
            self._show_line(rest)

    def _show_line(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text and not (self.service.mute and self.service.mute in text):
            self.last_line = text
            console.show(self.service.name, text)


async def start(service: Service) -> Running:
    """In a session of its own: Ctrl-C reaches the supervisor only, which then stops in order."""
    owner = service.owner
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-IS",
        str(CHILD),
        str(int(service.orphaned)),
        str(os.getpid()),
        f"{owner.uid}:{owner.gid}" if owner else ":",
        *service.command,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        env=dict(service.environ),
        cwd="/" if owner else ROOT,
        start_new_session=True,
    )
    return Running(service, process)
