"""PostgreSQL and Valkey apart from the stack, so that a proxy can stand between: a program.

`python -m drills.servers FOLDER` runs what `make up` would run, under its supervisor, until it is
told to stop; `FOLDER/environment` says where they listen once they do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from config.stack.folder import Folder, read_values, write_values
from config.stack.postgres import Postgres
from config.stack.supervisor import Supervisor
from config.stack.valkey import Valkey

PATIENCE = 60.0


class Servers:
    """Both of them, up while the context lasts. `urls` say where they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.urls: dict[str, str] = {}

    def __enter__(self) -> Self:
        data = self._folder / "servers"
        self._log = (self._folder / "servers.log").open("wb")
        command = [sys.executable, "-m", "drills.servers", str(data)]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        ends = time.monotonic() + PATIENCE
        while not (data / "environment").exists():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise SystemExit((self._folder / "servers.log").read_text(errors="replace"))
            time.sleep(0.05)
        self.urls = read_values(data / "environment")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    @property
    def pid(self) -> int:
        """Of their supervisor."""
        return self._process.pid


async def serve(path: Path) -> None:
    ending = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    folder = Folder(path)
    supervisor = Supervisor(tell=folder.tell_loops)
    folder.open()
    environ = {name: os.environ[name] for name in ("PATH", "TZ") if name in os.environ}
    postgres, valkey = Postgres(folder), Valkey(folder)
    await asyncio.to_thread(postgres.prepare)
    try:
        await supervisor.start(postgres.service(environ))
        await supervisor.start(valkey.service(environ))
        write_values(folder.environment, {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url})
        await ending.wait()
    finally:
        await supervisor.stop("valkey")
        await supervisor.stop("postgres")
        supervisor.close()
        postgres.clear()
        folder.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
