"""Publishes the shop's events at a steady rate, as any producer does: over HTTP, with a key."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import timedelta

from pyreqwest import exceptions
from pyreqwest.client import Client, ClientBuilder

from events.demo.shop import Event

log = logging.getLogger(__name__)

EVERY = 0.25
"""Seconds between two events."""

REST = 2.0
"""Seconds to wait after a publish that failed."""

TIMEOUT = timedelta(seconds=10)


async def publish_all(events: Iterator[Event], *, url: str, key: str) -> None:
    """Until the events end or the task is cancelled."""
    async with ClientBuilder().timeout(TIMEOUT).no_proxy().build() as client:
        due = time.monotonic()
        for event in events:
            taken = await _publish(client, event, url=f"{url}/api/v1/events", key=key)
            due = max(due + (EVERY if taken else REST), time.monotonic())
            await asyncio.sleep(due - time.monotonic())


async def _publish(client: Client, event: Event, *, url: str, key: str) -> bool:
    try:
        request = client.post(url).bearer_auth(key).body_json(event).build()
        answer = await request.send()
    except exceptions.RequestError as error:
        log.warning("the demo cannot publish: %s", error)
        return False
    if answer.status >= 300:
        log.warning("the demo's event was refused: %s %s", answer.status, await answer.text())
    return answer.status < 300
