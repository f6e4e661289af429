"""Drills: what was broken on purpose, and what then happened."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from events.console.live import render_again
from events.console.person import actor_of
from events.roles import Role, needs
from monitoring import drill_schedule
from monitoring.models import Drill

SHOWN = 50


@needs(Role.VIEWER)
def drills(request: HttpRequest) -> HttpResponse:
    """The last runs in this system, and of `make drill`, which breaks a stack of its own."""
    context = {
        "title": "Drills",
        "drills": list(Drill.objects.here().newest_first()[:SHOWN]),
        "faults": list(Drill.objects.of_make()),
        "running": drill_schedule.is_running(),
        "hours": settings.REDRIVE_SAFE_DRILL_HOURS,
        "next_run": drill_schedule.next_run(),
    }
    return render_again(request, "monitoring/drills.html", context)


@require_POST
@needs(Role.OPERATOR)
def run_drills(request: HttpRequest) -> HttpResponse:
    """Has the safe drills run now."""
    if drill_schedule.ask(actor=actor_of(request)):
        messages.success(
            request, "The safe drills begin within five seconds and take about one minute."
        )
    else:
        messages.info(request, "They are running already.")
    return redirect("drills")
