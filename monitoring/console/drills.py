"""Drills: what was broken on purpose, and what then happened."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from events.roles import Role, needs
from monitoring.models import Drill

SHOWN = 50


@needs(Role.VIEWER)
def drills(request: HttpRequest) -> HttpResponse:
    """The last runs in this system; what `make drill` breaks is a stack of its own."""
    found = list(Drill.objects.newest_first()[:SHOWN])
    return render(request, "monitoring/drills.html", {"title": "Drills", "drills": found})
