"""Beside the load: subscriptions and events of a drill's own, which the load's laws leave alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from events.rules import ids
from events.rules.ids import Prefix

if TYPE_CHECKING:
    from drills.rig import Rig

LOOK = 0.05

SELDOM = 0.25
"""Seconds between two looks at all processes, which take a while themselves."""

PATIENCE = 30.0


class Broken(Exception):
    """Something else than expected was seen: the text says what."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One stored attempt."""

    outcome: str
    status: int | None
    error: str
    milliseconds: float
    late: bool
    body: bytes


class Aside:
    """One subscription and the events of its type."""

    def __init__(self, rig: Rig, url: str, options: dict[str, Any]) -> None:
        self._rig = rig
        self.type = f"aside.{time.time_ns()}"
        made = rig.stack.api("POST", "/subscriptions", {"url": url, "types": [self.type]} | options)
        self.secret = str(made["secret"])
        self.public_id = str(made["id"])
        found = ids.decode(Prefix.SUBSCRIPTION, self.public_id)
        if found is None:
            raise Broken(f"{self.public_id} is no subscription")
        self.id: UUID = found

    def publish(self, many: int = 1, *, source: str = "/aside") -> None:
        """Events without an identity: the caller sees that each is accepted, or an error."""
        for _ in range(many):
            event = {"type": self.type, "source": source, "data": {"key": "aside", "number": 0}}
            self._rig.stack.api("POST", "/events", event)

    def attempts(self) -> list[Tried]:
        """What is stored of its attempts, oldest first."""
        rows = self._rig.rows(
            "SELECT outcome, status, error, total_ms, late, response_body "
            "FROM events_attempt WHERE subscription_id = %s ORDER BY id",
            self.id,
        )
        return [
            Tried(outcome, status, error, ms, late, bytes(body or b""))
            for outcome, status, error, ms, late, body in rows
        ]

    def states(self) -> dict[str, int]:
        """How many of its deliveries are in which state."""
        rows = self._rig.rows(
            "SELECT state, count(*) FROM events_delivery WHERE subscription_id = %s GROUP BY 1",
            self.id,
        )
        return dict(rows)

    def breaker(self) -> str:
        [(state,)] = self._rig.rows(
            "SELECT state FROM events_lane WHERE subscription_id = %s", self.id
        )
        return str(state)

    def received(self, path: str) -> list[dict[str, Any]]:
        """What the recording receiver has of a path."""
        return [line for line in self._rig.journal() if line["path"] == path]

    def delete(self) -> None:
        self._rig.stack.api("DELETE", f"/subscriptions/{self.public_id}")


def until(
    what: str, met: Callable[[], bool], *, within: float = PATIENCE, every: float = LOOK
) -> float:
    """Waits for something; gives the seconds. Raises Broken if it does not come."""
    began = time.monotonic()
    while not met():
        if time.monotonic() - began > within:
            raise Broken(f"not within {within:.0f} s: {what}")
        time.sleep(every)
    return time.monotonic() - began


def now() -> datetime:
    """Now, without Django, which is not set up here."""
    return datetime.fromtimestamp(time.time(), UTC)


def percentile(values: Sequence[float], part: float) -> float:
    """Of values in any order; raises Broken if there are none."""
    if not values:
        raise Broken("nothing was measured")
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]
