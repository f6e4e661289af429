"""The polling answer: what a frame would show, for browsers whose socket is away."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page

from events.roles import Role, needs
from monitoring import overview
from monitoring.models import Sample
from monitoring.spans import RANGES, Span

KEPT = 1.0
"""Seconds for which an answer is everybody's: with Redis away, hundreds of viewers ask here."""


@dataclass(frozen=True, slots=True)
class Answer:
    html: str
    version: int
    at: float


_answers: dict[str, Answer] = {}
_drawing = threading.Lock()


@gzip_page
@never_cache
@needs(Role.VIEWER)
def live(request: HttpRequest) -> HttpResponse:
    page = "overview" if request.GET.get("page") == "overview" else ""
    sample = Sample.objects.newest()
    version = sample.id if sample else 0
    with _drawing:
        kept = _answers.get(page)
        if kept is None or kept.version != version or time.monotonic() - kept.at > KEPT:
            kept = _answers[page] = Answer(_html(page, sample), version, time.monotonic())
    return HttpResponse(kept.html)


def _html(page: str, sample: Sample | None) -> str:
    """As in a frame, times are those of UTC: static/js/time.js shows them in the reader's zone."""
    with timezone.override(UTC):
        if not page:
            return "".join(overview.render(overview.HEAD, {"head": sample}).values())
        now = timezone.now()
        span = Span(now - RANGES["20m"], now, now)
        context = overview.gather(sample, now) | overview.chart_context(span)
        parts = overview.HEAD | overview.PARTS | overview.CHARTS
        return "".join(overview.render(parts, context).values())
