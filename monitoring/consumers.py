"""The console's socket: check who it is, join the hub, forward what the slot holds."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest

from events import people
from events.roles import Role, role_of
from monitoring.hub import EVERYWHERE, MOST_WATCHED, PAGES, Slot, hub

SIGNED_OUT, FULL = 4401, 4429
"""Close codes after which a browser does not come again by itself."""

CHECKED = 60.0
"""Seconds after which the session and the role are looked up again, should a hint be lost."""

HINTED = 1.0
"""The least seconds between two hints to one socket."""

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Viewer:
    user: int
    role: Role


async def console(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One socket, from its handshake to its end.

    It is accepted before it is refused: a handshake that fails would be tried for ever.
    """
    await receive()
    await send({"type": "websocket.accept"})
    key = scope["session"].session_key or ""
    viewer = await _look_up(key)
    if viewer is None:
        await _close(send, SIGNED_OUT)
        return
    slot = _slot(scope, viewer, key)
    if not hub().join(slot):
        await _close(send, FULL)
        return
    work = [_forward(slot, send), _read(slot, receive), _check(slot, viewer, key)]
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub().leave(slot)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    # Only now: while a receive is pending, granian sends no close frame.
    if slot.refused:
        await _close(send, SIGNED_OUT)


def digest(session_key: str) -> str:
    """Names a session without being one: it goes through Redis."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def _slot(scope: dict[str, Any], viewer: Viewer, key: str) -> Slot:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    page = query.get("page", [""])[0]
    watched = query.get("watch", [""])[0].split(",")[:MOST_WATCHED]
    return Slot(
        user=viewer.user,
        session=digest(key),
        name=people.watched(viewer.user),
        wanted=PAGES.get(page, EVERYWHERE),
        watched=frozenset(one for one in watched if len(one) == 30),
    )


async def _forward(slot: Slot, send: Send) -> None:
    hinted = 0.0
    while True:
        await _wait(slot, hinted)
        slot.ready.clear()
        if slot.refused:
            return
        if slot.paused:
            continue
        if frame := slot.take():
            await send({"type": "websocket.send", "text": frame})
        if slot.changed and time.monotonic() - hinted >= HINTED:
            changed, slot.changed = sorted(slot.changed), set()
            hinted = time.monotonic()
            await send({"type": "websocket.send", "text": json.dumps({"changed": changed})})


async def _wait(slot: Slot, hinted: float) -> None:
    """Until there is something to send, or a hint that was held back may go.

    Nothing goes to a tab that is hidden, so its hint waits for it to come back, however long.
    """
    left = max(hinted + HINTED - time.monotonic(), 0.01)
    held_back = slot.changed and not slot.paused
    try:
        await asyncio.wait_for(slot.ready.wait(), left if held_back else None)
    except TimeoutError:
        return


async def _read(slot: Slot, receive: Receive) -> None:
    """A hidden tab pauses its socket; nothing else is understood."""
    while (message := await receive())["type"] != "websocket.disconnect":
        if message.get("text") == "pause":
            slot.paused = True
        elif message.get("text") == "resume":
            slot.go_on()


async def _check(slot: Slot, viewer: Viewer, key: str) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(slot.look_up.wait(), CHECKED)
        slot.look_up.clear()
        if await _look_up(key) != viewer:
            slot.refuse()


@database_sync_to_async  # type: ignore[untyped-decorator]
def _look_up(session_key: str) -> Viewer | None:
    """Whose session it is now, with the role that they have now."""
    request = HttpRequest()
    request.session = SessionStore(session_key or None)
    user = get_user(request)
    role = role_of(user)
    return Viewer(user.pk, role) if user.pk and role >= Role.VIEWER else None


async def _close(send: Send, code: int) -> None:
    await send({"type": "websocket.close", "code": code})
