"""Drills: what was broken on purpose, and what then happened."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from events.roles import Role, needs


@needs(Role.VIEWER)
def drills(request: HttpRequest) -> HttpResponse:
    return render(request, "monitoring/drills.html", {"title": "Drills"})
