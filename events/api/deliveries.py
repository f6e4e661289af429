"""Deliveries over REST: search, read with every attempt, retry, cancel."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db.models import Q
from ninja import Query, Router
from pydantic import Field

from events import operate
from events.api.attempts import WholeAttempt
from events.api.callers import MANAGE, READ, Request
from events.api.inputs import DeliveryId, EventId, Moment, ReplayId, SubscriptionId
from events.api.pages import Page, Paging, equal, rows_of
from events.api.timelines import DeliveryShown, WaitShown, plain
from events.keys import Caller
from events.models import Attempt, Delivery
from events.rules import ids
from events.timeline import lives_of, readable

router = Router(tags=["deliveries"])

State = Literal["pending", "in_flight", "delivered", "dead", "cancelled"]


class DeliveryFilters(Paging):
    state: State | None = None
    subscription: SubscriptionId | None = None
    event: EventId | None = None
    replay: ReplayId | None = None
    status: int | None = Field(
        default=None, ge=100, le=999, description="Status of the last answer."
    )
    since: Moment | None = Field(default=None, description="Owed since this moment or later.")
    before: Moment | None = Field(default=None, description="Owed since before this moment.")


class WholeDelivery(DeliveryShown):
    """With what it waits for and every attempt, oldest first."""

    waits_for: WaitShown | None
    tries: list[WholeAttempt]


@router.get("/deliveries", auth=READ, response=Page[DeliveryShown])
def list_deliveries(request: Request, filters: Query[DeliveryFilters]) -> Page[DeliveryShown]:
    """Deliveries, owed and finished, newest first."""
    found = Delivery.objects.seen_by(request.auth.tenant).filter(
        equal(state=filters.state, subscription=filters.subscription, event=filters.event)
        & equal(replay=filters.replay, last_status=filters.status)
        & _made_between(filters.since, filters.before)
    )
    rows, following = rows_of(request, filters, readable(found))
    shown = [DeliveryShown.of(row, getattr(row, "planned_at", None)) for row in rows]
    return Page[DeliveryShown](data=shown, next_cursor=following)


@router.get("/deliveries/{delivery_id}", auth=READ, response=WholeDelivery)
def read_delivery(request: Request, delivery_id: DeliveryId) -> WholeDelivery:
    """One delivery with every attempt: headers, timing, answer, verdict."""
    return _whole(request.auth, delivery_id)


@router.post("/deliveries/{delivery_id}/retry", auth=MANAGE, response=WholeDelivery)
def retry_delivery(request: Request, delivery_id: DeliveryId) -> WholeDelivery:
    """Makes a pending delivery due now; 409 if it is in flight or finished."""
    _seen(request.auth, delivery_id)
    operate.retry(actor=request.auth.actor, delivery=delivery_id)
    return _whole(request.auth, delivery_id)


@router.post("/deliveries/{delivery_id}/cancel", auth=MANAGE, response=WholeDelivery)
def cancel_delivery(request: Request, delivery_id: DeliveryId) -> WholeDelivery:
    """Ends an owed delivery without a further attempt; 409 if it is finished."""
    _seen(request.auth, delivery_id)
    operate.cancel(actor=request.auth.actor, delivery=delivery_id)
    return _whole(request.auth, delivery_id)


def _seen(caller: Caller, delivery: UUID) -> Delivery:
    """Raises Delivery.DoesNotExist for what the caller may not see."""
    return readable(Delivery.objects.seen_by(caller.tenant)).get(id=delivery)


def _whole(caller: Caller, delivery: UUID) -> WholeDelivery:
    row = _seen(caller, delivery)
    [life] = lives_of([row], {row.id: list(Attempt.objects.of_delivery(row.id))})
    return WholeDelivery(
        **plain(row),
        due_at=life.due_at,
        waits_for=WaitShown.of(life.wait) if life.wait else None,
        tries=[WholeAttempt.of(attempt) for attempt in life.attempts],
    )


def _made_between(start: datetime | None, end: datetime | None) -> Q:
    """Bounds the id, not only the time: ids sort by time, so other days are pruned."""
    found = Q() if start is None else Q(id__gte=ids.first_at(start), created_at__gte=start)
    return found if end is None else found & Q(id__lt=ids.first_at(end), created_at__lt=end)
