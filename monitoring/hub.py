"""The hub: one a web process. It hears the pulse and fills the slot of each socket.

A slot holds the newest HTML of each fragment and is emptied when its socket is ready, so a slow
viewer misses old versions, never the newest, and delays nobody. The hub reads on whatever viewers
do: what waits in the channel layer is not bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from channels.layers import get_channel_layer

from monitoring import pulse
from monitoring.overview import CHARTS, HEAD, PARTS

log = logging.getLogger(__name__)

A_USER, A_PROCESS = 6, 600
"""Sockets that are served; above that, browsers poll."""

MOST_WATCHED = 50
"""Ids that one socket may watch."""

RENEW = 5.0
"""Seconds between two renewals of what is watched."""

AGAIN = 2.0
"""Seconds before the pulse is listened for again after Redis was lost."""

PAGES: Mapping[str, frozenset[str]] = {"overview": frozenset(HEAD | PARTS | CHARTS)}
"""The fragments of each page; every other page shows those of the header."""

EVERYWHERE = frozenset(HEAD)


@dataclass(eq=False, slots=True)
class Slot:
    """What one socket has still to be sent; `session` is a digest of its session's key.

    `name` is what changes when its user may do something else now: then `look_up` is set.
    """

    user: int
    session: str
    name: str
    wanted: frozenset[str]
    watched: frozenset[str]
    html: dict[str, str] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    look_up: asyncio.Event = field(default_factory=asyncio.Event)
    refused: bool = False
    paused: bool = False

    def put(self, html: Mapping[str, str]) -> None:
        """Newest wins; a paused socket is woken when it goes on."""
        for part in html.keys() & self.wanted:
            self.html[part] = html[part]
        if self.html and not self.paused:
            self.ready.set()

    def hint(self, changed: frozenset[str]) -> None:
        if self.name in changed:
            self.look_up.set()
        if seen := changed & self.watched:
            self.changed |= seen
            if not self.paused:
                self.ready.set()

    def go_on(self) -> None:
        self.paused = False
        self.ready.set()

    def refuse(self) -> None:
        self.refused = True
        self.ready.set()

    def take(self) -> str:
        """Everything there is for it, as one frame; empty if there is nothing."""
        frame = "".join(self.html.values())
        self.html.clear()
        return frame


class Hub:
    """The sockets of this process."""

    def __init__(self) -> None:
        self._slots: set[Slot] = set()
        self._users: Counter[int] = Counter()
        self._newest: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._watched = pulse.Watched()
        self._asked = asyncio.Event()

    def join(self, slot: Slot) -> bool:
        """Serves it from now on, beginning with the newest of all it wants; False if it is full."""
        if len(self._slots) >= A_PROCESS or self._users[slot.user] >= A_USER:
            return False
        if not self._tasks:
            loops = (self._listen(), self._renew())
            self._tasks = [asyncio.create_task(loop) for loop in loops]
        self._slots.add(slot)
        self._users[slot.user] += 1
        slot.put(self._newest)
        self._asked.set()
        return True

    def leave(self, slot: Slot) -> None:
        self._slots.discard(slot)
        self._users[slot.user] -= 1

    def hear(self, message: Mapping[str, Any]) -> None:
        """One message of the pulse, into every slot that wants it."""
        match message["type"]:
            case pulse.FRAME:
                self._newest |= message["html"]
                for slot in self._slots:
                    slot.put(message["html"])
            case pulse.HINT:
                changed = frozenset(message["changed"])
                for slot in self._slots:
                    slot.hint(changed)
            case pulse.SIGNED_OUT:
                for slot in self._slots:
                    if slot.session == message["session"]:
                        slot.refuse()
            case unknown:
                log.warning("the pulse said %s, which nobody here knows", unknown)

    async def _listen(self) -> None:
        """Never ends: a hub that hears nothing would leave its viewers to poll until a restart."""
        layer = get_channel_layer()
        # One for good: what is sent to a channel that nobody reads any more would be kept.
        channel = ""
        while True:
            try:
                channel = channel or await layer.new_channel()
                await layer.group_add(pulse.GROUP, channel)
                while True:
                    self.hear(await layer.receive(channel))
            except pulse.LOST as error:
                log.warning("the pulse is not heard, viewers poll: %s", error)
            except Exception:
                log.exception("the pulse said what nobody here understands")
            await asyncio.sleep(AGAIN)

    async def _renew(self) -> None:
        while True:
            watched = {one for slot in self._slots for one in (slot.name, *slot.watched)}
            try:
                await asyncio.to_thread(self._watched.renew, watched, now=time.time())
            except pulse.LOST as error:
                log.warning("what is watched is not kept: %s", error)
            except Exception:
                log.exception("what is watched is not kept")
            # Whoever has just come would otherwise miss what changes until the next turn.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), RENEW)
            self._asked.clear()


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """That of the running event loop, of which a web process has one."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
