"""One worker's window as a test drives it, in this process and on the test's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django.conf import settings

from events.engine.run import Window
from events.engine.transport import Transport
from tests.lane import close_thread


class Engine:
    """A worker: its event loop, window and threads, until `close`."""

    def __init__(self, *, worker: str = "one", size: int = 256) -> None:
        self.runner = asyncio.Runner()
        self.transport = Transport(
            allowed=settings.REDRIVE_ALLOW_ADDRESSES, user_agent=settings.REDRIVE_USER_AGENT
        )
        self.window = Window(worker=worker, size=size, transport=self.transport)

    def run(
        self,
        *,
        seconds: float = 10.0,
        stopping: Callable[[], bool] = lambda: False,
        over: Callable[[], bool] = lambda: False,
    ) -> int:
        """Delivers what is due; gives the number sent."""
        return self.runner.run(self.window.run(seconds=seconds, stopping=stopping, over=over))

    def close(self) -> None:
        self.runner.close()
        close_thread(self.window._claiming)
        close_thread(self.window._recording)
