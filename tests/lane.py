"""The publish lane as a test drives it: its ASGI application, without a server in front."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connections

from events.intake import Intake
from events.wire import Limits

LIMITS = Limits(event=262_144, batch=8_388_608, items=1_000)

App = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """A problem's code."""
        assert self.headers["content-type"] == "application/problem+json"
        found: str = self.json["code"]
        return found

    @property
    def pointer(self) -> str:
        """Where the first error of a problem is."""
        found: str = self.json["errors"][0]["pointer"]
        return found


async def call(app: App, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]) -> Answer:
    """One POST /api/v1/events, its body in the given parts."""
    parts = [
        {"type": "http.request", "body": part, "more_body": number < len(body)}
        for number, part in enumerate(body, start=1)
    ]
    said: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/events", "headers": list(headers)}
    await app(scope, receive, send)
    start, rest = said
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    assert int(found["content-length"]) == len(rest["body"])
    return Answer(start["status"], found, rest["body"])


class Lane:
    """One web process's lane; `commits` counts those that poke workers."""

    def __init__(self, *, key: str, limits: Limits = LIMITS) -> None:
        self.commits = 0
        self.key = key
        self.intake = Intake(limits=limits, identity_ttl=3600.0, on_commit=self._committed)
        self._runner = asyncio.Runner()

    def run(self, work: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await work

        return self._runner.run(wait())

    def post(self, body: Any, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        """Publishes a body: bytes as they are, anything else as JSON."""
        found: Answer = self.run(self.posting(body, headers, **more))
        return found

    async def posting(
        self, body: Any, headers: Mapping[str, str] | None = None, *, key: str | None = None
    ) -> Answer:
        """As `post`, for many at once."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        sent = {"authorization": f"Bearer {key or self.key}", **(headers or {})}
        pairs = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in sent.items()]
        return await call(self.intake, pairs, [raw])

    def together(self, posts: Sequence[Awaitable[Answer]]) -> list[Answer]:
        """The answers of publishes that arrive at the same time."""

        async def gather() -> list[Answer]:
            return list(await asyncio.gather(*posts))

        found: list[Answer] = self.run(gather())
        return found

    def close(self) -> None:
        self._runner.close()
        close_thread(self.intake._commits._thread)
        close_thread(self.intake._keys)

    def _committed(self) -> None:
        self.commits += 1


def close_thread(thread: ThreadPoolExecutor) -> None:
    """Gives a thread's connection back, so that nothing outlives the test."""
    thread.submit(connections.close_all).result()
    thread.shutdown()
