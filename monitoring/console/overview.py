"""The first page: us or them, what is stuck, what is lost, what is next."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from events.roles import Role, needs
from monitoring import overview as page
from monitoring.models import Sample
from monitoring.spans import RANGES, Span

LIVE = "20m"
"""The range that frames draw; others stand still."""


@needs(Role.VIEWER)
def overview(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    name, span = _asked(request, now)
    context = page.gather(Sample.objects.newest(), now) | page.chart_context(span)
    live = name == LIVE
    more = {"title": "Overview", "live_page": "overview", "range": name, "fixed": not live}
    return render(request, "monitoring/overview.html", context | more)


def _asked(request: HttpRequest, now: datetime) -> tuple[str, Span]:
    """The range of the charts: a named one, or `?from=` and `?to=`."""
    start, end = _moment(request, "from"), _moment(request, "to")
    if start and end and start < min(end, now):
        return "", Span(start, min(end, now), now)
    name = request.GET.get("range", LIVE)
    name = name if name in RANGES else LIVE
    return name, Span(now - RANGES[name], now, now)


def _moment(request: HttpRequest, name: str) -> datetime | None:
    try:
        found = parse_datetime(request.GET.get(name, ""))
    except ValueError:
        return None
    return found if found and found.tzinfo else None
