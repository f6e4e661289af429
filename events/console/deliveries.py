"""Deliveries: what is owed and how each ended, with every attempt."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from events import operate
from events.console import exchange
from events.console.acting import act
from events.console.export import Columns, file_of, wants_file
from events.console.inputs import Filters, IdField, MomentField, PatternField, equal
from events.console.live import render_live
from events.console.named import named
from events.console.paging import page_of
from events.console.person import actor_of, may_operate
from events.console.steps import step_of
from events.models import Delivery, Event
from events.models.delivery import DeliveryQuerySet
from events.models.typed import typed
from events.roles import Role, needs
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.states import DeliveryState
from events.timeline import lives_of, readable

COLUMNS: Columns = {
    "id": lambda row: row.public_id,
    "event": lambda row: ids.encode(Prefix.EVENT, row.event),
    "subscription": lambda row: ids.encode(Prefix.SUBSCRIPTION, row.subscription),
    "type": lambda row: row.event_type,
    "tenant": lambda row: row.tenant,
    "state": lambda row: row.state,
    "attempts": lambda row: row.attempts,
    "status": lambda row: row.last_status,
    "error": lambda row: row.last_error,
    "created_at": lambda row: row.created_at,
    "due_at": lambda row: row.planned_at,
    "finished_at": lambda row: row.finished_at,
}


class DeliveryFilters(Filters):
    state = forms.ChoiceField(
        choices=[("", "any"), *((s, s.replace("_", " ")) for s in DeliveryState)], required=False
    )
    subscription = IdField(Prefix.SUBSCRIPTION)
    type = PatternField(label="Event type")
    status = forms.IntegerField(min_value=100, max_value=599, required=False, label="HTTP status")
    error = forms.CharField(max_length=200, required=False, label="Error contains")
    tenant = forms.CharField(max_length=200, required=False)
    replay = IdField(Prefix.REPLAY)
    since = MomentField(label="From")
    until = MomentField(label="To")


def found_by(chosen: dict[str, Any]) -> DeliveryQuerySet:
    """A delivery's id tells when it was made, so moments bound the id and prune days."""
    found = readable(Delivery.objects.all()).filter(
        equal(
            chosen,
            state="state",
            subscription="subscription",
            status="last_status",
            tenant="tenant",
            replay="replay",
        )
    )
    if "type" in chosen:
        found = found.filter(typed("event_type", chosen["type"]))
    if "error" in chosen:
        found = found.filter(last_error__icontains=chosen["error"])
    if "since" in chosen:
        found = found.filter(id__gte=ids.first_at(chosen["since"]))
    if "until" in chosen:
        found = found.filter(id__lt=ids.first_at(chosen["until"]))
    return found


@require_GET
@needs(Role.VIEWER)
def deliveries(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The list, newest first."""
    filters = DeliveryFilters(request.GET)
    found = found_by(filters.chosen) if filters.is_valid() else Delivery.objects.none()
    if wants_file(request):
        return file_of(request, found, COLUMNS, name="deliveries")
    page = page_of(request, found)
    return render(
        request,
        "events/deliveries.html",
        {
            "title": "Deliveries",
            "lede": "One event owed to one subscription, and how it ended.",
            "filters": filters,
            "page": page,
            "rows": named(page.rows),
        },
    )


@require_GET
@needs(Role.VIEWER)
def delivery(request: HttpRequest, delivery: UUID) -> HttpResponse:
    """One delivery: why it is where it is, and what each attempt said."""
    row = get_object_or_404(readable(Delivery.objects.all()), id=delivery)
    event = Event.objects.filter(id=row.event).first()
    attempts, chosen = exchange.attempts_of(row.id, request.GET.get("attempt"))
    [life] = lives_of([row], {row.id: attempts})
    return render_live(
        request,
        "events/delivery.html",
        "events/_delivery.html",
        {
            "title": f"Delivery {row.public_id}",
            "watch": [row.public_id],
            "delivery": row,
            "life": life,
            "event": event,
            "attempts": attempts,
            "step": step_of(life.wait),
            "exchange": chosen
            and exchange.exchange_of(chosen, event, life.subscription, values=may_operate(request)),
        },
    )


@require_POST
@needs(Role.OPERATOR)
def retry(request: HttpRequest, delivery: UUID) -> HttpResponse:
    """Due now, whatever its schedule said."""
    return act(
        request,
        partial(operate.retry, actor=actor_of(request), delivery=delivery),
        done="It is due now: a worker takes it as soon as its lane lets it through.",
        back=reverse("delivery", args=[delivery]),
    )


@require_POST
@needs(Role.OPERATOR)
def cancel(request: HttpRequest, delivery: UUID) -> HttpResponse:
    """Ended without a further attempt."""
    return act(
        request,
        partial(operate.cancel, actor=actor_of(request), delivery=delivery),
        done="Cancelled. Its event can be sent again.",
        back=reverse("delivery", args=[delivery]),
    )
