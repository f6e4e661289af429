"""Groups of dead letters: whose side they are on, and a page of them by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from dlq.console.sparks import Spark, sparks_of
from dlq.models import Signature
from events.console.inputs import Filters, IdField
from events.console.named import subscriptions_of
from events.models import Subscription
from events.rules.ids import Prefix
from events.rules.outcome import OUR_ERRORS

SIZE = 50
OURS, THEIRS, EVENT = "ours", "theirs", "the event's"

_KEY = "~"


@dataclass(frozen=True, slots=True)
class Group:
    row: Signature
    to: Subscription | None
    side: str
    spark: Spark


@dataclass(frozen=True, slots=True)
class Groups:
    """`older` is the cursor of the page after this one."""

    rows: Sequence[Group]
    older: str | None


class GroupFilters(Filters):
    subscription = IdField(Prefix.SUBSCRIPTION)
    error = forms.CharField(max_length=200, required=False, label="Error contains")


def groups_of(request: HttpRequest, filters: GroupFilters) -> Groups:
    """Newest death first."""
    if not filters.is_valid():
        return Groups([], None)
    found = Signature.objects.with_open()
    chosen = filters.chosen
    if "subscription" in chosen:
        found = found.filter(subscription=chosen["subscription"])
    if "error" in chosen:
        found = found.filter(error__icontains=chosen["error"])
    key = _parsed(request.GET.get("before", ""))
    if key is not None:
        at, last = key
        found = found.filter(Q(last_at__lt=at) | Q(last_at=at, id__gt=last))
    rows = list(found[: SIZE + 1])
    more, rows = len(rows) > SIZE, rows[:SIZE]
    known = subscriptions_of(row.subscription for row in rows)
    sparks = sparks_of([row.id for row in rows], timezone.now())
    groups = [Group(row, known.get(row.subscription), side_of(row), sparks[row.id]) for row in rows]
    return Groups(groups, f"{rows[-1].last_at.isoformat()}{_KEY}{rows[-1].id}" if more else None)


def side_of(group: Signature) -> str:
    """Whose fault the group's failures are: ours, the endpoint's, or the event's own."""
    if group.outcome in ("internal", "blocked") or group.error.startswith(OUR_ERRORS):
        return OURS
    return EVENT if group.status in (400, 413, 414, 415, 422) else THEIRS


def _parsed(cursor: str) -> tuple[datetime, UUID] | None:
    """A cursor that somebody has tampered with opens the first page."""
    moment, _, identifier = cursor.partition(_KEY)
    try:
        at = parse_datetime(moment)
        return (at, UUID(identifier)) if at is not None and at.tzinfo is not None else None
    except ValueError:
        return None
