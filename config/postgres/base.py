"""The backend itself: `base` is where Django looks for it."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Gives up the whole pool when a connection of it turns out to be dead.

    Whatever ended one session has mostly ended all of them. Otherwise each of them would fail one
    more statement, for minutes after PostgreSQL is back.
    """

    pool: Any

    def _close(self) -> None:
        was_lost = self.connection is not None and self.connection.closed
        super()._close()  # type: ignore[misc]  # the stubs leave it out
        if was_lost and self.pool is not None:
            self.pool.drain()
