"""The settings in force."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from events.roles import Role, needs
from monitoring.force import in_force as declared


@needs(Role.VIEWER)
def in_force(request: HttpRequest) -> HttpResponse:
    context = {
        "title": "Settings",
        "lede": "Read from the environment when a process starts; change them there.",
        "settings": declared(),
        "jobs": settings.REDRIVE_JOBS.items(),
        "version": settings.REDRIVE_VERSION,
    }
    return render(request, "monitoring/settings.html", context)
