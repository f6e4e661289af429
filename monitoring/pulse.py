"""The channel layer, for the whole of Redrive: frames to hubs, hints of what changed.

Redis may vanish at any moment: what cannot be said is logged and dropped, the next tick says it
again, and browsers poll meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import redis
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

log = logging.getLogger(__name__)

GROUP = "pulse"
FRAME, HINT, SIGNED_OUT = "frame", "hint", "signed-out"

WATCHED = "redrive:watched"
"""A sorted set: what hubs watch for their viewers, by the second in which that ends."""

WATCHED_FOR = 15
MOST_WATCHED = 10_000

LOST = (redis.RedisError, OSError, TimeoutError)


def send_frame(version: int, fragments: Mapping[str, str]) -> None:
    """Shows rendered fragments to everybody."""
    _send({"type": FRAME, "v": version, "html": dict(fragments)})


def send_hint(changed: Iterable[str]) -> None:
    """Says which watched things changed."""
    _send({"type": HINT, "changed": sorted(changed)})


def send_signed_out(session: str) -> None:
    """Ends the sockets of a session, named by its digest."""
    _send({"type": SIGNED_OUT, "session": session})


def _send(message: Mapping[str, object]) -> None:
    try:
        async_to_sync(get_channel_layer().group_send)(GROUP, dict(message))
    except LOST as error:
        log.warning("viewers are not told: %s", error)


class Watched:
    """What is being watched anywhere, kept in Redis."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            decode_responses=True,
        )

    def renew(self, watched: Iterable[str], *, now: float) -> None:
        """Keeps these for another WATCHED_FOR seconds, and forgets what nobody renewed."""
        until = dict.fromkeys(watched, now + WATCHED_FOR)
        pipe = self._redis.pipeline(transaction=False)
        pipe.zremrangebyscore(WATCHED, "-inf", now)
        if until:
            pipe.zadd(WATCHED, until)
        pipe.execute()

    def all(self, *, now: float) -> frozenset[str]:
        found = self._redis.zrangebyscore(WATCHED, now, "+inf", start=0, num=MOST_WATCHED)
        return frozenset(str(one) for one in found)
