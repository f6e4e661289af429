"""The polling answer: what a frame would show, for browsers whose socket is away."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from events.roles import Role, needs
from monitoring import overview
from monitoring.models import Sample
from monitoring.spans import RANGES, Span


@never_cache
@needs(Role.VIEWER)
def live(request: HttpRequest) -> HttpResponse:
    sample = Sample.objects.newest()
    if request.GET.get("page") != "overview":
        html = overview.render(overview.HEAD, {"head": sample})
        return HttpResponse("".join(html.values()))
    now = timezone.now()
    span = Span(now - RANGES["20m"], now, now)
    context = overview.gather(sample, now) | overview.chart_context(span)
    parts = overview.HEAD | overview.PARTS | overview.CHARTS
    return HttpResponse("".join(overview.render(parts, context).values()))
