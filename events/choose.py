"""Which deliveries: what lists are filtered by and bulk jobs act on, in one shape."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, Self, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from events.models import Subscription
from events.models.delivery import OWED_STATES
from events.models.typed import typed
from events.rules import ids
from events.rules.outcome import OUR_ERRORS
from events.rules.states import DeliveryState, Owing

Found = TypeVar("Found", bound=QuerySet[Any])

_EXACT = {
    "subscription": "subscription",
    "event": "event",
    "status": "last_status",
    "tenant": "tenant",
    "owner": "owner",
    "replay": "replay",
}
_UUIDS = ("subscription", "event", "replay")
_MOMENTS = ("since", "before")


@dataclass(frozen=True, slots=True)
class Criteria:
    """None leaves a criterion out. `owner` is the tenant of the subscription, `tenant` the event's.

    `state` is a DeliveryState or an Owing, `error` a part of the last error, `fault` whose that
    was: only `ours` is told by its words. A delivery's id tells when it was made, so `since` and
    `before` bound the id; `before` is always set on a job: what is owed later does not join it.
    """

    ids: tuple[UUID, ...] | None = None
    state: str | None = None
    subscription: UUID | None = None
    event: UUID | None = None
    type: str | None = None
    status: int | None = None
    error: str | None = None
    fault: str | None = None
    tenant: str | None = None
    owner: str | None = None
    replay: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """What is set, as a job's row and the audit log keep it."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain(value) for name, value in kept.items() if value is not None}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        values = dict(kept)
        values |= {name: UUID(kept[name]) for name in _UUIDS if name in kept}
        values |= {name: parse_datetime(kept[name]) for name in _MOMENTS if name in kept}
        if "ids" in kept:
            values["ids"] = tuple(UUID(one) for one in kept["ids"])
        return cls(**values)


def narrowed(found: Found, wanted: Criteria) -> Found:
    """Those deliveries, owed or finished, that meet the criteria."""
    exact = {column: getattr(wanted, name) for name, column in _EXACT.items()}
    found = found.filter(**{name: value for name, value in exact.items() if value is not None})
    if wanted.state is not None:
        found = found.filter(_in_state(wanted.state))
    if wanted.fault is not None:
        found = found.filter(_ours())
    if wanted.ids is not None:
        found = found.filter(id__in=wanted.ids)
    if wanted.error is not None:
        found = found.filter(last_error__icontains=wanted.error)
    if wanted.since is not None:
        found = found.filter(id__gte=ids.first_at(wanted.since))
    if wanted.before is not None:
        found = found.filter(id__lt=ids.first_at(wanted.before))
    return found.filter(typed("event_type", wanted.type))


def _in_state(state: str) -> Q:
    """The view over deliveries has no `due_at` for a test, which nobody waits for."""
    late = Q(state=DeliveryState.PENDING, due_at__lte=Now())
    flows = Q(subscription__in=Subscription.objects.flowing().values("id"))
    match state:
        case Owing.OWED:
            return Q(state__in=OWED_STATES)
        case Owing.DUE:
            return late & flows
        case Owing.PARKED:
            return late & ~flows
        case Owing.LATER:
            later = Q(due_at__gt=Now()) | Q(due_at=None)
            return Q(state=DeliveryState.PENDING) & later
        case _:
            return Q(state=state)


def _ours() -> Q:
    return reduce(or_, (Q(last_error__startswith=words) for words in OUR_ERRORS))


def _plain(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return value.isoformat()
        case tuple():
            return [str(one) for one in value]
        case _:
            return value
