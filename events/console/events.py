"""Events: the log, and for each one why it did or did not arrive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from events.console import fresh, why
from events.console.export import Columns, file_of, wants_file
from events.console.inputs import Filters, MomentField, PatternField, equal
from events.console.live import render_again
from events.console.paging import page_of
from events.console.person import may_operate
from events.console.said import file_of_said, page_of_said
from events.console.shown import text_of
from events.models import Event, Poison
from events.models.event import EventQuerySet
from events.models.typed import typed
from events.roles import Role, needs
from events.rules import ids
from events.rules.ids import Prefix
from events.searching import reached
from events.timeline import unmet

COLUMNS: Columns = {
    "id": lambda row: row.public_id,
    "producer_event_id": lambda row: row.producer_event_id,
    "type": lambda row: row.type,
    "source": lambda row: row.source,
    "subject": lambda row: row.subject,
    "tenant": lambda row: row.tenant,
    "time": lambda row: row.time,
    "received_at": lambda row: row.received_at,
    "bytes": lambda row: row.bytes,
    "matched": lambda row: row.matched,
}


HEAVY = ("data", "extensions", "misses")
"""What a list does not read."""


class EventFilters(Filters):
    """`deep` says whether words are also looked for where not everybody may see them."""

    type = PatternField()
    q = forms.CharField(max_length=200, required=False, label="Says")
    source = forms.CharField(max_length=500, required=False)
    subject = forms.CharField(max_length=500, required=False)
    tenant = forms.CharField(max_length=200, required=False)
    id = forms.CharField(
        max_length=500,
        required=False,
        label="Id",
        widget=forms.TextInput(attrs={"placeholder": "evt_…, or the producer's"}),
    )
    since = MomentField(label="From")
    until = MomentField(label="To")

    def __init__(self, data: QueryDict, *, deep: bool) -> None:
        super().__init__(data)
        if settings.REDRIVE_SEARCH:
            shown = "in its data, headers, type or ids" if deep else "in its type, source or ids"
            self.fields["q"].widget.attrs["placeholder"] = f"words {shown}"
        else:
            del self.fields["q"]


def found_by(chosen: dict[str, Any]) -> EventQuerySet:
    """Each field but the subject is served by an index."""
    found = Event.objects.received_between(chosen.get("since"), chosen.get("until"))
    found = found.filter(equal(chosen, source="source", subject="subject", tenant="tenant"))
    if "type" in chosen:
        found = found.filter(typed("type", chosen["type"]))
    if "id" in chosen:
        ours = ids.decode(Prefix.EVENT, chosen["id"])
        found = found.filter(id=ours) if ours else found.filter(producer_event_id=chosen["id"])
    return found


@require_GET
@needs(Role.VIEWER)
def events(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The log, newest first."""
    deep = may_operate(request)
    filters = EventFilters(request.GET, deep=deep)
    found = found_by(filters.chosen) if filters.is_valid() else Event.objects.none()
    chosen = filters.chosen if filters.is_valid() else {}
    if wants_file(request):
        found = file_of_said(found, chosen, hidden=deep) if "q" in chosen else found
        return file_of(request, found.with_bytes().defer(*HEAVY), COLUMNS, name="events")
    found = found.defer(*HEAVY)
    if "q" in chosen:
        page = page_of_said(request, found, chosen, hidden=deep)
    else:
        page = page_of(request, found)
    context = {
        "title": "Events",
        "lede": "What producers published, as it came.",
        "filters": filters,
        "page": page,
        "rows": why.with_outcomes(page.rows),
        **fresh.standing("events-fresh", page, [row.public_id for row in page.rows]),
    }
    if "q" in chosen:
        # What is newer is not in the index yet.
        context |= {"newest": "", "indexed": reached()}
    return render(request, "events/events.html", context)


@require_GET
@needs(Role.VIEWER)
def events_fresh(request: HttpRequest) -> HttpResponse:
    """How many are newer than those on the page, and those that changed, as they are now."""
    filters = EventFilters(request.GET, deep=may_operate(request))
    found = found_by(filters.chosen) if filters.is_valid() else Event.objects.none()
    shown = Event.objects.filter(id__in=fresh.shown(request, Prefix.EVENT)).defer(*HEAVY)
    context = {
        "newer": fresh.newer(request, found, Prefix.EVENT),
        "rows": why.with_outcomes(list(shown)),
        "list": reverse("events"),
        "oob": True,
    }
    return render(request, "events/_events_fresh.html", context)


@require_GET
@needs(Role.VIEWER)
def event(request: HttpRequest, event: UUID) -> HttpResponse:
    """Why it did or did not arrive, on one page."""
    row, values = Event.objects.filter(id=event).first(), may_operate(request)
    if row is None:
        return _gone(request, event)
    context = {
        "title": f"Event {row.public_id}",
        "watch": [row.public_id],
        "event": row,
        "story": why.story_of(row, values=values),
        "poison": Poison.objects.mark_of(row.id),
        "asked": request.GET.get("subscription", ""),
        "answer": why.asked(row, request.GET.get("subscription", ""), values=values),
        "data": text_of(row.data, row.datacontenttype) if values else None,
        "extensions": row.extensions if values else None,
    }
    return render_again(request, "events/event.html", context)


@require_GET
@needs(Role.VIEWER)
def missed(request: HttpRequest, event: UUID) -> HttpResponse:
    """All the subscriptions that did not get it, each with its reason."""
    row = Event.objects.filter(id=event).first()
    if row is None:
        return _gone(request, event)
    page = page_of(request, unmet(row, tenant=None))
    context = {
        "title": f"Who did not get {row.type}",
        "event": row,
        "page": page,
        "misses": why.missed_by(row, page.rows, values=may_operate(request)),
    }
    return render_again(request, "events/missed.html", context)


def _gone(request: HttpRequest, event: UUID) -> HttpResponse:
    """An id tells its time: what is older than the retention expired, and is no mistyped id."""
    made, days = ids.time_of(event), settings.REDRIVE_RETENTION_DAYS
    if made.date() >= timezone.now().date() - timedelta(days=days):
        raise Http404
    context = {
        "title": "Expired",
        "id": ids.encode(Prefix.EVENT, event),
        "made": made,
        "days": days,
    }
    return render(request, "events/event_gone.html", context, status=410)


@require_GET
@needs(Role.OPERATOR)
def payload(_request: HttpRequest, event: UUID) -> HttpResponse:
    """The bytes as they came, as a download: no browser may take them for a page."""
    row = get_object_or_404(Event, id=event)
    response = HttpResponse(bytes(row.data), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{row.public_id}"'
    return response
