"""The first-run guide: a subscription, a key, an event that arrives; ticked as they happen."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from events.console.live import render_again
from events.models import ApiKey, Delivery, Event, Subscription
from events.roles import Role, needs
from events.rules.states import DeliveryState

BODY = '{"type": "order.paid", "data": {"order": 1001}}'


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest of each, where there is one."""

    subscription: Subscription | None
    key: ApiKey | None
    event: Event | None
    arrived: Delivery | None


@require_GET
@needs(Role.VIEWER)
def start(request: HttpRequest) -> HttpResponse:
    """Each step looks at what is stored, so a guide taken up again goes on where it was."""
    context = {
        "title": "Your first event",
        "lede": "Three steps, a few minutes. Each ticks itself when it is done.",
        "steps": _progress(),
        "address": request.build_absolute_uri("/").rstrip("/"),
        "body": BODY,
    }
    return render_again(request, "events/start.html", context)


def _progress() -> Progress:
    delivered = Delivery.objects.filter(state=DeliveryState.DELIVERED)
    return Progress(
        subscription=Subscription.objects.existing().order_by("-id").first(),
        key=ApiKey.objects.order_by("-id").first(),
        event=Event.objects.defer("data").order_by("-id").first(),
        arrived=delivered.order_by("-id").first(),
    )
