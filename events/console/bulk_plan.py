"""The dry run of a bulk job, and how far a job has come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from events import bulk
from events.bulk import Order
from events.choose import Criteria
from events.console.named import subscriptions_of
from events.console.paging import in_time
from events.models import BulkJob, Subscription
from events.models.bulk import BulkState
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.states import BreakerState, SubscriptionState

SECONDS = 10
"""A dry run counts exactly, so it may take longer than a list."""


def slack(total: int) -> int:
    """How many may join between the look and the click."""
    return max(10, total // 20)


@dataclass(frozen=True, slots=True)
class Share:
    """What of it is owed to one endpoint."""

    to: Subscription | None
    count: int

    @property
    def waits(self) -> str:
        """Why this endpoint takes nothing now; empty if it does."""
        if self.to is None or self.to.deleted_at is not None:
            return "deleted"
        if self.to.state != SubscriptionState.ACTIVE:
            return f"{self.to.state}: its share waits"
        if self.to.lane.state == BreakerState.OPEN:
            return "its breaker is open: its share waits for the probe"
        return ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """`left` meet the filter, but there is nothing to do for them."""

    total: int
    left: int
    shares: Sequence[Share]

    @property
    def slack(self) -> int:
        return slack(self.total)

    def as_posted(self, order: Order) -> dict[str, str]:
        """What the person agrees to."""
        total, endpoints = self.total, len(self.shares)
        digest = _digest(order, total, endpoints)
        return {"total": str(total), "endpoints": str(endpoints), "digest": digest}

    def agreed(self, order: Order, posted: Mapping[str, str]) -> bool:
        """Whether somebody agreed to this.

        What is owed moves all the time: some of it is delivered, some fails and meets the filter
        now. A set that grew past a handful, another endpoint or another order needs a second look.
        """
        try:
            total, endpoints = int(posted.get("total", "")), int(posted.get("endpoints", ""))
        except ValueError:
            return False
        same = posted.get("digest") == _digest(order, total, endpoints)
        return same and self.total <= total + slack(total) and len(self.shares) <= endpoints


@dataclass(frozen=True, slots=True)
class Progress:
    """`gone` had ended, or was under way, when its slice came by; `left` is the time it takes."""

    percent: int
    gone: int
    rate: float | None
    left: timedelta | None


def dry_run(order: Order) -> DryRun:
    """Counts exactly, and writes nothing. Raises paging.TooLate where that takes too long."""
    with in_time(SECONDS):
        found = bulk.plan(order.verb, order.criteria)
        known = subscriptions_of(found.by_subscription)
    counted = sorted(found.by_subscription.items(), key=lambda pair: -pair[1])
    shares = [Share(known.get(subscription), count) for subscription, count in counted]
    return DryRun(found.total, found.left, shares)


def progress_of(row: BulkJob, now: datetime) -> Progress:
    seconds = ((row.finished_at or now) - row.created_at).total_seconds()
    rate = row.acted / seconds if row.acted and seconds >= 1 else None
    rest = max(0, row.total - row.acted)
    running = row.state == BulkState.RUNNING
    return Progress(
        percent=100 if row.state == BulkState.DONE else row.acted * 100 // max(row.total, 1),
        gone=rest if row.state == BulkState.DONE else 0,
        rate=rate,
        left=timedelta(seconds=rest / rate) if running and rate else None,
    )


def asked_for(row: BulkJob) -> dict[str, object]:
    """The criteria as a person knows them."""
    wanted = Criteria.from_json(row.criteria)
    kinds = {
        "subscription": Prefix.SUBSCRIPTION,
        "event": Prefix.EVENT,
        "replay": Prefix.REPLAY,
    }
    public = {
        name: ids.encode(kind, value)
        for name, kind in kinds.items()
        if (value := getattr(wanted, name)) is not None
    }
    if wanted.ids is not None:
        public["ids"] = f"{len(wanted.ids):,} picked one by one"
    return {**row.criteria, **public}


def _digest(order: Order, total: int, endpoints: int) -> str:
    content = {
        "verb": order.verb,
        "criteria": order.criteria.as_json(),
        "total": total,
        "endpoints": endpoints,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
