"""The dry run of a replay: what it would do, and the digest by which a moved set is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from dlq.models import DeadLetter
from dlq.plan import Order, Plan, plan
from events.console.named import subscriptions_of
from events.console.paging import in_time
from events.models import Event, Subscription
from events.rules.states import SubscriptionState

SECONDS = 10
"""A dry run counts exactly, so it may take longer than a list."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one endpoint would get."""

    to: Subscription | None
    count: int

    @property
    def waits(self) -> str:
        """Why this endpoint takes nothing now; empty if it does."""
        if self.to is None:
            return ""
        if self.to.state != SubscriptionState.ACTIVE:
            return f"{self.to.state}: its share waits"
        return ""


@dataclass(frozen=True, slots=True)
class DryRun:
    """`digest` tells whether a later look finds the same; `delivered` and `gone` are left out."""

    total: int
    delivered: int
    gone: int
    shares: Sequence[Share]
    sample: Sequence[DeadLetter | Event]
    rate: float | None
    takes: timedelta | None
    digest: str


def dry_run(order: Order) -> DryRun:
    """Counts exactly, and writes nothing. Raises paging.TooLate where that takes too long."""
    with in_time(SECONDS):
        found = plan(order)
        known = subscriptions_of(found.by_subscription)
    counted = sorted(found.by_subscription.items(), key=lambda pair: -pair[1])
    return DryRun(
        total=found.total,
        delivered=found.delivered,
        gone=found.gone,
        shares=[Share(known.get(subscription), count) for subscription, count in counted],
        sample=found.sample,
        rate=order.rate,
        takes=timedelta(seconds=found.total / order.rate) if order.rate else None,
        digest=_digest(order, found),
    )


def _digest(order: Order, found: Plan) -> str:
    counts: dict[UUID, int] = found.by_subscription
    content = {
        "source": order.source,
        "criteria": order.criteria.as_json(),
        "target": str(order.target),
        "fresh": order.fresh,
        "again": order.again,
        "counts": sorted((str(subscription), n) for subscription, n in counts.items()),
        "total": found.total,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
