"""Kombu's Redis transport, for which a connection that is closed is one that was lost.

In kombu 5.7 a message that is acknowledged or given back after its connection was lost and closed
raises AttributeError. Celery knows that as nothing it can recover from, and ends the worker.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis as kombus
from redis.exceptions import ConnectionError as Lost


class Channel(kombus.Channel):
    def _get_pool(self, *args: Any, **options: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise Lost("the connection to the broker is closed")
        return super()._get_pool(*args, **options)  # type: ignore[no-untyped-call]


class Transport(kombus.Transport):
    Channel = Channel
