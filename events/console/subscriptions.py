"""Subscriptions: the list, one of them, and what can be done to it at once."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from events.console import lanes
from events.console.audit import acts_of
from events.console.export import Columns, file_of, wants_file
from events.console.inputs import Filters, equal
from events.console.live import render_again
from events.console.paging import page_of
from events.console.steering import BreakerForm, PauseForm
from events.models import AuditEntry, Delivery, Subscription
from events.models.subscription import SubscriptionQuerySet
from events.roles import Role, needs
from events.rules.states import BreakerState, SubscriptionState
from events.timeline import readable

COLUMNS: Columns = {
    "id": lambda row: row.public_id,
    "name": lambda row: row.name,
    "url": lambda row: row.url,
    "types": lambda row: " ".join(row.types),
    "filter": lambda row: row.filter,
    "tenant": lambda row: row.tenant,
    "state": lambda row: row.state,
    "breaker": lambda row: row.lane.state,
    "created_at": lambda row: row.created_at,
}


class SubscriptionFilters(Filters):
    q = forms.CharField(max_length=200, required=False, label="Name or URL contains")
    state = forms.ChoiceField(
        choices=[("", "any"), *((s, s) for s in SubscriptionState)], required=False
    )
    breaker = forms.ChoiceField(
        choices=[
            ("", "any"),
            ("not_closed", "not closed"),
            *((s, s.replace("_", "-")) for s in BreakerState),
        ],
        required=False,
    )
    tenant = forms.CharField(max_length=200, required=False)


def found_by(chosen: dict[str, str]) -> SubscriptionQuerySet:
    """There are thousands at most, so a part of a name may be looked for."""
    found = Subscription.objects.existing().select_related("lane")
    found = found.filter(equal(chosen, state="state", tenant="tenant"))
    if chosen.get("breaker") == "not_closed":
        found = found.exclude(lane__state=BreakerState.CLOSED)
    elif "breaker" in chosen:
        found = found.filter(lane__state=chosen["breaker"])
    if "q" in chosen:
        found = found.filter(Q(name__icontains=chosen["q"]) | Q(url__icontains=chosen["q"]))
    return found


@require_GET
@needs(Role.VIEWER)
def subscriptions(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The list, newest first."""
    filters = SubscriptionFilters(request.GET)
    found = found_by(filters.chosen) if filters.is_valid() else Subscription.objects.none()
    if wants_file(request):
        return file_of(request, found, COLUMNS, name="subscriptions")
    page = page_of(request, found)
    context = {
        "title": "Subscriptions",
        "lede": "Where events go, and how each endpoint is doing.",
        "filters": filters,
        "page": page,
        "rows": lanes.with_standing(page.rows),
        "ids": [row.id for row in page.rows],
        "now": timezone.now(),
    }
    return render_again(request, "events/subscriptions.html", context)


@require_GET
@needs(Role.VIEWER)
def subscription(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """One subscription: its health, its lane, its policy, what became of it lately."""
    row = get_object_or_404(Subscription.objects.select_related("lane"), id=subscription)
    public = row.public_id
    context = {
        "title": row.name or row.url,
        "watch": [public],
        "row": row,
        "ids": [row.id],
        "now": timezone.now(),
        "at": lanes.standing_of([row.id])[row.id],
        "in_flight": lanes.in_flight(row.id, most=row.max_concurrency),
        "width": min(row.max_concurrency, row.lane.ramp or row.max_concurrency),
        "stuck": lanes.stuck(row.id) if row.ordered else [],
        "secrets": row.secrets.order_by("-created_at"),
        "deliveries": readable(Delivery.objects.filter(subscription=row.id)).order_by("-id")[:10],
        "acts": acts_of(list(AuditEntry.objects.filter(target=public)[:8])),
        "pause_form": PauseForm(),
        "breaker_form": BreakerForm(auto_id="breaker_%s"),
    }
    return render_again(request, "events/subscription.html", context)
