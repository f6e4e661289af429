"""Every process and every server: does it live, what does it do, what breaks without it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from events.models import ApiKey, Heartbeat, LoadLevel
from events.models.process import GONE_AFTER, SUSPECT_AFTER
from events.roles import Role, needs
from events.rules.load import STEPS, Level
from monitoring.parts import parts

FORGOTTEN = timedelta(hours=1)
"""A process that has been gone for this long is not shown."""


@needs(Role.VIEWER)
def health(request: HttpRequest) -> HttpResponse:
    load = LoadLevel.objects.first()
    beats = Heartbeat.objects.annotate(silent=Now() - F("beat_at")).filter(
        beat_at__gt=Now() - FORGOTTEN
    )
    context = {
        "title": "Health",
        "parts": parts(),
        "load": load,
        "steps": STEPS[Level(load.level)] if load else (),
        "processes": [(beat, _state(beat)) for beat in beats.order_by("role", "name")],
        "producers": ApiKey.objects.filter(revoked_at=None).order_by(
            F("last_used_at").desc(nulls_last=True)
        )[:10],
    }
    return render(request, "monitoring/health.html", context)


def _state(beat: Heartbeat) -> str:
    silent: timedelta = beat.silent  # type: ignore[attr-defined]
    if silent > GONE_AFTER:
        return "idle" if beat.doing == "idle" else "gone"
    return "suspect" if silent > SUSPECT_AFTER else "alive"
