"""What a replay would do: counted exactly, and nothing written.

Counting is what a dry run costs, so each source is read once. Letters are counted from an index;
how many of them were delivered by another way is found from the deliveries that replays made,
which are few, and not from the letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from dlq import select
from dlq.models import DeadLetter
from dlq.models.dead_letter import DeadLetterQuerySet
from dlq.models.replay import ReplaySource
from dlq.select import Criteria
from events.models import Event, Subscription

SAMPLE = 5

MANY = 20_000
"""Sources that are counted within a page's 100 ms where each has to be looked up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do: sources in all, for each subscription, and a few of them.

    `delivered` and `gone` meet the criteria too and are left out: their endpoint was delivered
    them, or their subscription was deleted.
    """

    total: int
    by_subscription: dict[UUID, int]
    sample: Sequence[DeadLetter | Event]
    delivered: int = 0
    gone: int = 0


class Part(StrEnum):
    """What a plan counts apart."""

    SENT = "sent"
    DELIVERED = "delivered"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Order:
    """What to replay. `target` None sends dead letters where they failed; events need one.

    `token` makes repeats of the order one replay. `fresh` gives the deliveries a webhook-id of
    their own, so that receivers take them for news. `rate` is deliveries a second. `again` sends
    also what its endpoint was delivered already.
    """

    source: ReplaySource
    criteria: Criteria
    token: str
    target: UUID | None = None
    rate: float | None = None
    fresh: bool = False
    again: bool = False


def plan(order: Order) -> Plan:
    """Counts what `replay.start` would replay now."""
    found = select.sources(order.source, order.criteria, target=order.target, again=order.again)
    sample = list(found.order_by("-id")[:SAMPLE])
    if order.target is None:
        return _where_they_failed(order, sample)
    every = select.meeting(order.source, order.criteria).count()
    total = every if order.again else found.count()
    return Plan(total, {order.target: total}, sample, every - total)


def one_by_one(order: Order, part: Part) -> QuerySet[Any]:
    """The sources that `plan` counts in one of its numbers."""
    if part is Part.SENT:
        return select.sources(order.source, order.criteria, target=order.target, again=order.again)
    every = select.meeting(order.source, order.criteria)
    if part is Part.GONE:
        existing = Subscription.objects.existing()
        return every.none() if order.target else every.exclude(subscription__in=existing)
    if order.again:
        return every.none()
    if order.target is not None:
        return select.delivered(every, event=select.event_of(order.source), target=order.target)
    return select.with_subscription(select.delivered_since(select.dead_letters(order.criteria)))


def takes_long(order: Order) -> bool:
    """Whether counting is for later: each of very many is looked up in what the target was sent."""
    if order.target is None or order.again:
        return False
    return select.meeting(order.source, order.criteria)[: MANY + 1].count() > MANY


def _where_they_failed(order: Order, sample: Sequence[DeadLetter | Event]) -> Plan:
    letters = select.dead_letters(order.criteria)
    every = _by_subscription(letters)
    present = set(Subscription.objects.existing().filter(id__in=every).values_list("id", flat=True))
    sendable = {to: many for to, many in every.items() if to in present}
    arrived = {} if order.again else _by_subscription(select.delivered_since(letters))
    owed = {to: many - arrived.get(to, 0) for to, many in sendable.items()}
    total, could = sum(owed.values()), sum(sendable.values())
    counts = {to: many for to, many in owed.items() if many}
    return Plan(total, counts, sample, could - total, sum(every.values()) - could)


def _by_subscription(letters: DeadLetterQuerySet) -> dict[UUID, int]:
    return dict(letters.order_by().values_list("subscription").annotate(n=Count("*")))
