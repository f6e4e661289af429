"""Findings: what is wrong, since when, whose side it is on; acknowledge and silence."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from events.console.live import render_again
from events.console.person import actor_of
from events.roles import Role, needs
from monitoring import findings as verbs
from monitoring.models import Finding

SHOWN = 50
SILENCES = {"1": "1 hour", "8": "8 hours", "24": "24 hours"}


@needs(Role.VIEWER)
def findings(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    standing = Finding.objects.standing().order_by("side", "-since")[:SHOWN]
    past = Finding.objects.exclude(cleared_at=None).order_by("-since")[:SHOWN]
    context = {
        "title": "Alerts",
        "standing": [(finding, finding.state(now)) for finding in standing],
        "past": past,
        "silences": SILENCES,
    }
    return render_again(request, "monitoring/alerts.html", context)


@require_POST
@needs(Role.OPERATOR)
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    if verbs.acknowledge(pk, actor=actor_of(request)):
        messages.success(request, "Acknowledged.", extra_tags=f"/alerts/{pk}/ring/")
    else:
        messages.info(request, "That one is over, or somebody was first.")
    return redirect("alerts")


@require_POST
@needs(Role.OPERATOR)
def silence(request: HttpRequest, pk: int) -> HttpResponse:
    hours = request.POST.get("hours", "1")
    hours = hours if hours in SILENCES else "1"
    until = timezone.now() + timedelta(hours=int(hours))
    if verbs.silence(pk, actor=actor_of(request), until=until):
        words = f"Silenced for {SILENCES[hours]}."
        messages.success(request, words, extra_tags=f"/alerts/{pk}/ring/")
    else:
        messages.info(request, "That one is over.")
    return redirect("alerts")


@require_POST
@needs(Role.OPERATOR)
def ring(request: HttpRequest, pk: int) -> HttpResponse:
    if verbs.ring_again(pk, actor=actor_of(request)):
        messages.success(request, "It rings again.")
    return redirect("alerts")
