"""Lists of events by what they say: the text index gives the keys, a page at a time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest

from events.console.paging import SIZE, Page, TooLate, in_time
from events.models import Event
from events.models.event import EventQuerySet
from events.searching import Asked, Found, search

MOST_IN_A_FILE = 1_000

NARROWING = ("q", "source", "subject")
"""Fields whose words are in the index too: with them fewer keys are left out afterwards."""


def page_of_said(
    request: HttpRequest, found: EventQuerySet, chosen: dict[str, Any], *, hidden: bool
) -> Page[Event]:
    """The page below `?before=`. There is no way up but the browser's: a search goes down."""
    hits = _hits(chosen, hidden=hidden, before=_before(request), most=SIZE + 1)
    rows = list(found.filter(pk__in=hits.events[:SIZE]).order_by("-pk"))
    older = str(hits.events[SIZE - 1]) if len(hits.events) > SIZE else None
    return Page(rows, older=older, late=hits.late)


def file_of_said(found: EventQuerySet, chosen: dict[str, Any], *, hidden: bool) -> EventQuerySet:
    """The newest of them, as many as a file holds."""
    hits = _hits(chosen, hidden=hidden, before=None, most=MOST_IN_A_FILE)
    return found.filter(pk__in=hits.events)


def _hits(chosen: dict[str, Any], *, hidden: bool, before: UUID | None, most: int) -> Found:
    asked = Asked(
        " ".join(chosen[name] for name in NARROWING if name in chosen),
        hidden=hidden,
        tenant=chosen.get("tenant"),
        before=before,
        since=chosen.get("since"),
        until=chosen.get("until"),
    )
    try:
        with in_time():
            return search(asked, most=most) or Found([])
    except TooLate:
        return Found([], late=True)


def _before(request: HttpRequest) -> UUID | None:
    """A cursor that somebody has tampered with opens the first page."""
    text = request.GET.get("before")
    try:
        return Event._meta.pk.to_python(text) if text else None
    except ValidationError:
        return None
