"""Every process and every server: does it live, what does it do, what breaks without it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse

from events.console.live import render_again
from events.models import ApiKey, Heartbeat, LoadLevel
from events.models.process import GONE_AFTER, SUSPECT_AFTER
from events.roles import Role, needs
from monitoring.parts import parts

FORGOTTEN = timedelta(minutes=10)
"""A process that has been gone for this long is not shown."""


@needs(Role.VIEWER)
def health(request: HttpRequest) -> HttpResponse:
    beats = Heartbeat.objects.annotate(silent=Now() - F("beat_at")).filter(
        beat_at__gt=Now() - FORGOTTEN
    )
    context = {
        "title": "Health",
        "parts": parts(),
        "load": LoadLevel.objects.in_force(),
        "processes": sorted(((one, _state(one)) for one in beats), key=_order),
        "producers": ApiKey.objects.filter(revoked_at=None).order_by(
            F("last_used_at").desc(nulls_last=True)
        )[:10],
    }
    return render_again(request, "monitoring/health.html", context)


def _state(beat: Heartbeat) -> str:
    silent: timedelta = beat.silent  # type: ignore[attr-defined]
    if silent > GONE_AFTER:
        return "idle" if beat.doing == "idle" else "gone"
    return "suspect" if silent > SUSPECT_AFTER else "alive"


def _order(shown: tuple[Heartbeat, str]) -> tuple[bool, str, str]:
    """Those that live come first."""
    beat, state = shown
    return state == "gone", beat.role, beat.name
