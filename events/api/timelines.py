"""How the life of an event is told over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from events.api.attempts import AttemptShown
from events.api.inputs import DeliveryId, EventId, ReplayId, SubscriptionId
from events.explain import Kind
from events.models import Delivery
from events.rules.waiting import Wait, WaitKind
from events.timeline import Life, Miss, Timeline


class WaitShown(BaseModel):
    """What a delivery that is owed waits for."""

    kind: WaitKind
    words: str
    until: datetime | None
    behind: DeliveryId | None = Field(description="The delivery that goes first, for `order`.")

    @classmethod
    def of(cls, wait: Wait) -> Self:
        return cls(kind=wait.kind, words=wait.words, until=wait.until, behind=wait.behind)


class DeliveryShown(BaseModel):
    """One event owed to one subscription."""

    id: DeliveryId
    event: EventId
    event_type: str
    subscription: SubscriptionId
    tenant: str | None
    state: str = Field(description="pending, in_flight, delivered, dead or cancelled.")
    attempts: int
    due_at: datetime | None = Field(description="The next planned try.")
    last_status: int | None
    last_error: str
    ordering_key: str | None
    webhook_id: DeliveryId = Field(description="What receivers see on every attempt.")
    replay: ReplayId | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Delivery, due_at: datetime | None) -> Self:
        return cls(**plain(row), due_at=due_at)


class LifeShown(DeliveryShown):
    """A delivery with its subscription's name, its attempts, and what it waits for."""

    subscription_name: str
    url: str
    waits_for: WaitShown | None
    tries: list[AttemptShown]


class MissShown(BaseModel):
    """A subscription that did not get the event."""

    subscription: SubscriptionId
    name: str
    kind: Kind
    reason: str

    @classmethod
    def of(cls, miss: Miss) -> Self:
        to = miss.subscription
        return cls(subscription=to.id, name=str(to), kind=miss.why.kind, reason=miss.why.words)


class TimelineShown(BaseModel):
    event: EventId
    received_at: datetime
    matched: int = Field(description="How many subscriptions matched when it was accepted.")
    expanding: int = Field(description="Deliveries that a worker has yet to make.")
    deliveries: list[LifeShown]
    not_matched: list[MissShown] = Field(description="At most 100, the nearest misses first.")
    more: bool = Field(description="There are more deliveries: list them by event.")

    @classmethod
    def of(cls, told: Timeline) -> Self:
        return cls(
            event=told.event.id,
            received_at=told.event.received_at,
            matched=told.event.matched,
            expanding=told.expanding,
            deliveries=[_life(life) for life in told.lives],
            not_matched=[MissShown.of(miss) for miss in told.misses],
            more=told.more,
        )


def plain(row: Delivery) -> dict[str, Any]:
    """The fields of DeliveryShown that the row has under the same name."""
    same = DeliveryShown.model_fields.keys() - {"due_at"}
    return {name: getattr(row, name) for name in same}


def _life(life: Life) -> LifeShown:
    to = life.subscription
    return LifeShown(
        **plain(life.delivery),
        due_at=life.due_at,
        subscription_name=to.name if to else "",
        url=to.url if to else "",
        waits_for=WaitShown.of(life.wait) if life.wait else None,
        tries=[AttemptShown.of(attempt) for attempt in life.attempts],
    )
