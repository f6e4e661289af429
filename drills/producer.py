"""The producer: publishes at a steady rate, tries again until it is answered, and keeps a journal.

An event is in the journal only once it was accepted (202, or 200 for a repeat): what is in there
must never be lost. Every event has an id of its own, so a repeat after a cut connection is told.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvloop
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError

from drills.journal import Journal

KEYS = 32
"""A key has one send in flight at a time, so these are what an ordered lane can do at once."""

PATIENCE = 60.0

LONGEST = timedelta(seconds=10)
"""Of one call: more than anything in a publish may wait for."""

NONE = 0
"""The status of a publish whose connection was refused, cut or silent for too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the API: when it came, after how many seconds, and its status.

    The status is NONE where there was no answer; `retry_after` is what the answer says of it.
    """

    at: float
    took: float
    status: int
    retry_after: str | None = None

    @property
    def accepted(self) -> bool:
        return self.status in (200, 202)


class Producer:
    """A thread that publishes while the context lasts; `prefix` tells its keys from others'."""

    def __init__(
        self, url: str, key: str, journal: Path, *, rate: float, run: int, prefix: str = ""
    ) -> None:
        self._url = f"{url}/api/v1/events"
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._journal = Journal(journal)
        self._rate = rate
        self._run_number = run
        self._prefix = prefix
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._run()), daemon=True)
        self.accepted: dict[str, str] = {}
        self.repeats = 0
        self.refused: list[str] = []
        self.answers: list[Answer] = []

    def __enter__(self) -> Producer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE + 30)

    def since(self, moment: float) -> Sequence[Answer]:
        """The answers after a moment of the monotonic clock."""
        return [answer for answer in self.answers if answer.at > moment]

    async def _run(self) -> None:
        """One lane a key, so that a key's events are published one after the other."""
        client = ClientBuilder().no_proxy().timeout(LONGEST).build()
        async with client:
            await asyncio.gather(*(self._lane(client, key) for key in range(KEYS)))
        self._journal.close()

    async def _lane(self, client: Client, key: int) -> None:
        number = 0
        began = time.monotonic()
        while not self._stop.is_set():
            number += 1
            name = f"{self._prefix}{self._run_number}-{key}-{number}"
            # Later runs go on where earlier ones ended, so an order holds over all of them.
            data = {"key": f"{self._prefix}{key}", "number": self._run_number * 1_000_000 + number}
            await self._publish(client, name, data)
            ahead = began + number * KEYS / self._rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)

    async def _publish(self, client: Client, name: str, data: Mapping[str, object]) -> None:
        event = {
            "type": "drill.event",
            "source": "/drill",
            "id": name,
            "data": data,
            "ordering_key": str(data["key"]),
        }
        body, ends = json.dumps(event).encode(), time.monotonic() + PATIENCE
        while (began := time.monotonic()) < ends:
            try:
                request = client.post(self._url).headers(self._headers).body_bytes(body)
                response = await request.build().send()
                text = await response.text()
            except PyreqwestError:
                self._note(began, NONE)
                await asyncio.sleep(0.3)
                continue
            answer = self._note(began, response.status, response.headers.get("retry-after"))
            if answer.accepted:
                self._accept(name, json.loads(text))
                return
            if response.status not in (429, 502, 503):
                self.refused.append(f"{name}: {response.status} {text}")
                return
            await asyncio.sleep(0.2)
        self.refused.append(f"{name}: no answer for {PATIENCE:.0f} s")

    def _note(self, began: float, status: int, retry_after: str | None = None) -> Answer:
        now = time.monotonic()
        answer = Answer(now, now - began, status, retry_after)
        self.answers.append(answer)
        return answer

    def _accept(self, name: str, answer: dict[str, object]) -> None:
        self.accepted[name] = str(answer["id"])
        self.repeats += bool(answer["duplicate"])
        self._journal.write({"name": name, "id": answer["id"]})
