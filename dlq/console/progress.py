"""How far a replay has come, when it will be done, and what became of what it made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from dlq.models import Replay, ReplayState
from events.models import Delivery
from events.rules.states import DeliveryState

COUNTED = 10_000
"""Deliveries whose outcomes are counted; a replay may have made a million."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`rate` is what it makes a second; `left` how long the rest takes, if that can be told.

    `settled` is what it was to do and did not come to, because others had dealt with it before.
    """

    done: int
    total: int
    settled: int
    rate: float | None
    left: timedelta | None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Deliveries by state; `all` says whether every one was counted."""

    waiting: int
    in_flight: int
    delivered: int
    dead: int
    cancelled: int
    all: bool


def progress_of(row: Replay, now: datetime) -> Progress:
    """The rate is the average so far, so it also tells of a replay that stands still."""
    done = row.made + row.skipped
    seconds = ((row.finished_at or now) - row.created_at).total_seconds()
    rate = done / seconds if done and seconds >= 1 else None
    running = row.state == ReplayState.RUNNING
    left = timedelta(seconds=max(0, row.total - done) / rate) if running and rate else None
    total = max(row.total, done)
    settled = total - done if row.state == ReplayState.DONE else 0
    return Progress(done, total, settled, rate, left)


def outcomes_of(row: Replay) -> Outcomes:
    """Walks finished_replay and the owed rows of the replay, ten thousand at most."""
    newest = Delivery.objects.filter(replay=row.id).order_by("-id")
    states = list(newest.values_list("state", flat=True)[: COUNTED + 1])
    count = Counter(states[:COUNTED])
    return Outcomes(
        waiting=count[DeliveryState.PENDING],
        in_flight=count[DeliveryState.IN_FLIGHT],
        delivered=count[DeliveryState.DELIVERED],
        dead=count[DeliveryState.DEAD],
        cancelled=count[DeliveryState.CANCELLED],
        all=len(states) <= COUNTED,
    )
