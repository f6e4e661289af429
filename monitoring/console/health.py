"""Every process and every server: does it live, what does it do, what breaks without it."""

from __future__ import annotations

from django.db.models import F
from django.http import HttpRequest, HttpResponse

from events.console.live import render_again
from events.models import ApiKey, LoadLevel
from events.roles import Role, needs
from monitoring.health import health
from monitoring.parts import parts
from monitoring.processes import processes


@needs(Role.VIEWER)
def show_health(request: HttpRequest) -> HttpResponse:
    servers = parts()
    context = {
        "title": "Health",
        "health": health(servers=[one.known for one in servers]),
        "parts": servers,
        "load": LoadLevel.objects.in_force(),
        # Those that live come first.
        "processes": sorted(processes(), key=lambda one: one.state == "gone"),
        "producers": ApiKey.objects.filter(revoked_at=None).order_by(
            F("last_used_at").desc(nulls_last=True)
        )[:10],
    }
    return render_again(request, "monitoring/health.html", context)
