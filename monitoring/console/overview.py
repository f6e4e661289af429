"""The first page: us or them, what is stuck, what is lost, what is next."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.gzip import gzip_page

from events.models import Event
from events.roles import Role, needs
from monitoring import overview as page
from monitoring.models import Sample
from monitoring.spans import RANGES, Span

LIVE = "20m"
"""The range that frames draw; others stand still."""


@gzip_page
@needs(Role.VIEWER)
def overview(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    name, span = _asked(request, now)
    sample = Sample.objects.newest()
    context = page.gather(sample, now) | page.chart_context(span)
    more = {
        "title": "Overview",
        "live_page": "overview",
        "range": name,
        "fixed": name != LIVE,
        "begin": _is_unused(sample),
    }
    return render(request, "monitoring/overview.html", context | more)


def _is_unused(sample: Sample | None) -> bool:
    """Nothing was accepted yet: whoever looks is at the beginning."""
    owed_once = sample is not None and sample.totals["ledger"]["created"]
    return not owed_once and not Event.objects.exists()


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
