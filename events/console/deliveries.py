"""Deliveries: what is owed and how each ended, with every attempt."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from events import choose, operate
from events.console import exchange, fresh
from events.console.acting import act
from events.console.delivery_filters import DeliveryFilters, criteria_of
from events.console.export import Columns, file_of, wants_file
from events.console.live import render_again
from events.console.named import named
from events.console.paging import MOST_COUNTED, page_of
from events.console.person import actor_of, may_operate
from events.console.steps import step_of
from events.models import Delivery, Event, OwedDelivery
from events.models.delivery import DeliveryQuerySet
from events.roles import Role, needs
from events.rules import ids
from events.rules.ids import Prefix
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


def found_by(filters: DeliveryFilters) -> DeliveryQuerySet:
    if not filters.is_valid():
        return Delivery.objects.none()
    return choose.narrowed(readable(Delivery.objects.all()), criteria_of(filters.chosen))


def owed_by(filters: DeliveryFilters) -> QuerySet[OwedDelivery]:
    """Those of them that a bulk job could act on."""
    return choose.narrowed(OwedDelivery.objects.order_by("id"), criteria_of(filters.chosen))


@require_GET
@needs(Role.VIEWER)
def deliveries(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The list, newest first."""
    filters = DeliveryFilters(request.GET)
    found = found_by(filters)
    if wants_file(request):
        return file_of(request, found, COLUMNS, name="deliveries")
    bulk = filters.may_be_owed and may_operate(request)
    page = page_of(request, found, counted=owed_by(filters) if bulk else None)
    context = {
        "title": "Deliveries",
        "lede": "One event owed to one subscription, and how it ended.",
        "filters": filters,
        "page": page,
        "rows": named(page.rows),
        "bulk": bulk,
        "most": MOST_COUNTED,
        **fresh.standing("deliveries-fresh", page, [row.public_id for row in page.rows]),
    }
    return render(request, "events/deliveries.html", context)


@require_GET
@needs(Role.VIEWER)
def deliveries_fresh(request: HttpRequest) -> HttpResponse:
    """How many are newer than those on the page, and those that changed, as they are now."""
    filters = DeliveryFilters(request.GET)
    shown = readable(Delivery.objects.filter(id__in=fresh.shown(request, Prefix.DELIVERY)))
    context = {
        "newer": fresh.newer(request, found_by(filters), Prefix.DELIVERY),
        "rows": named(list(shown)),
        "bulk": filters.may_be_owed and may_operate(request),
        "list": reverse("deliveries"),
        "oob": True,
    }
    return render(request, "events/_deliveries_fresh.html", context)


@require_GET
@needs(Role.VIEWER)
def delivery(request: HttpRequest, delivery: UUID) -> HttpResponse:
    """One delivery: why it is where it is, and what each attempt said."""
    row = get_object_or_404(readable(Delivery.objects.all()), id=delivery)
    event = Event.objects.filter(id=row.event).first()
    attempts, chosen = exchange.attempts_of(row.id, request.GET.get("attempt"))
    [life] = lives_of([row], {row.id: attempts})
    return render_again(
        request,
        "events/delivery.html",
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
