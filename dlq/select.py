"""What a replay takes: criteria parsed once, and the sources that meet them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.dateparse import parse_datetime

from dlq.models import DeadLetter
from dlq.models.dead_letter import DeadLetterQuerySet
from dlq.models.replay import ReplaySource
from events.models import Event, FinishedDelivery, Subscription
from events.models.event import EventQuerySet
from events.models.typed import typed
from events.rules.states import DeliveryState

Sources = TypeVar("Sources", bound="QuerySet[Any]")


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which dead letters or events; None leaves a criterion out.

    `replay` takes dead letters of deliveries that this replay made.
    `before` is always set on a stored replay: what dies or arrives later does not join it.
    """

    ids: tuple[UUID, ...] | None = None
    group: UUID | None = None
    subscription: UUID | None = None
    type: str | None = None
    tenant: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    replay: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        """As the replay's row keeps it."""
        return {
            "ids": None if self.ids is None else [str(one) for one in self.ids],
            "group": self.group and str(self.group),
            "subscription": self.subscription and str(self.subscription),
            "type": self.type,
            "tenant": self.tenant,
            "since": self.since and self.since.isoformat(),
            "before": self.before and self.before.isoformat(),
            "replay": self.replay and str(self.replay),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(
            ids=None if kept["ids"] is None else tuple(UUID(one) for one in kept["ids"]),
            group=kept["group"] and UUID(kept["group"]),
            subscription=kept["subscription"] and UUID(kept["subscription"]),
            type=kept["type"],
            tenant=kept["tenant"],
            since=kept["since"] and parse_datetime(kept["since"]),
            before=kept["before"] and parse_datetime(kept["before"]),
            replay=kept["replay"] and UUID(kept["replay"]),
        )


def dead_letters(wanted: Criteria) -> DeadLetterQuerySet:
    """The open dead letters that meet the criteria."""
    return narrowed(DeadLetter.objects.open(), wanted)


def discarded(wanted: Criteria, *, at: datetime | None = None) -> DeadLetterQuerySet:
    """The discarded ones that meet the criteria; of one discard, if its moment is named."""
    return narrowed(DeadLetter.objects.discarded(at), wanted)


def narrowed(letters: DeadLetterQuerySet, wanted: Criteria) -> DeadLetterQuerySet:
    """Those of the letters that meet the criteria."""
    exact: dict[str, Any] = {
        "signature": wanted.group,
        "subscription": wanted.subscription,
        "owner": wanted.tenant,
    }
    found = letters.filter(**{name: value for name, value in exact.items() if value is not None})
    if wanted.ids is not None:
        found = found.filter(id__in=wanted.ids)
    if wanted.replay is not None:
        # A dead letter has the id of its delivery.
        made = FinishedDelivery.objects.filter(replay=wanted.replay, state=DeliveryState.DEAD)
        found = found.filter(id__in=made.values("id"))
    return found.filter(typed("event_type", wanted.type)).died_between(wanted.since, wanted.before)


def events(wanted: Criteria) -> EventQuerySet:
    """The stored events that meet the criteria."""
    found = Event.objects.received_between(wanted.since, wanted.before)
    if wanted.ids is not None:
        found = found.filter(id__in=wanted.ids)
    if wanted.tenant is not None:
        found = found.filter(tenant=wanted.tenant)
    return found.filter(typed("type", wanted.type))


def meeting(source: str, criteria: Criteria) -> QuerySet[Any]:
    """All of a source that meets the criteria, whatever became of it since."""
    return events(criteria) if source == ReplaySource.EVENTS else dead_letters(criteria)


def sources(source: str, criteria: Criteria, *, target: UUID | None, again: bool) -> QuerySet[Any]:
    """What a replay sends: with `again` also what its endpoint was delivered already."""
    found = meeting(source, criteria)
    if target is None and source == ReplaySource.DEAD_LETTERS:
        found = with_subscription(found)
    return found if again else undelivered(found, event=event_of(source), target=target)


def event_of(source: str) -> str:
    """The name of a source's column with the event's id."""
    return "id" if source == ReplaySource.EVENTS else "event"


def with_subscription(letters: Sources) -> Sources:
    """Those whose subscription was not deleted."""
    return letters.filter(subscription__in=Subscription.objects.existing().values("id"))


def in_order(letters: QuerySet[Any], *, after: UUID | None) -> QuerySet[Any]:
    """Dead letters in the order of their events, after one of them.

    What died again after a replay is younger than its successors, its event is not.
    """
    found = letters.order_by("event", "id")
    last = None if after is None else DeadLetter.objects.filter(id=after).first()
    if last is None:
        return found
    # The range starts at the event, so that the index is entered there.
    return found.filter(event__gte=last.event).exclude(event=last.event, id__lte=last.id)


def undelivered(found: Sources, *, event: str, target: UUID | None) -> Sources:
    """Those whose event was never delivered to the target, or to where they failed.

    `event` is the name of the sources' column with the event's id.
    """
    return found.filter(~_delivered(event, target or OuterRef("subscription")))


def delivered(found: Sources, *, event: str, target: UUID) -> Sources:
    """Those whose event was delivered to the target: what `undelivered` leaves out."""
    return found.filter(_delivered(event, target))


def delivered_since(letters: DeadLetterQuerySet) -> DeadLetterQuerySet:
    """Those whose event was delivered to where they failed.

    An event is delivered twice to one subscription by replays alone, so only events of which a
    replay made a delivery come into question.
    """
    replayed = FinishedDelivery.objects.filter(replay__isnull=False)
    arrived = _delivered("event", OuterRef("subscription"))
    return letters.filter(arrived, event__in=replayed.values("event"))


def arrivals(event: str, to: Any) -> QuerySet[FinishedDelivery]:
    """The deliveries to `to` of the event that the column `event` of a source names."""
    return FinishedDelivery.objects.filter(
        event=OuterRef(event), subscription=to, state=DeliveryState.DELIVERED
    )


def _delivered(event: str, to: Any) -> Exists:
    return Exists(arrivals(event, to))
