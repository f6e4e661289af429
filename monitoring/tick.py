"""One tick: sample, draw what the overview shows, and send what changed, once for all viewers."""

from __future__ import annotations

from datetime import timedelta
from zlib import crc32

from django.utils import timezone

from events import load
from events.rules.load import Level
from monitoring import overview, pulse, samples
from monitoring.models import Sample
from monitoring.spans import RANGES, Span

PERIODS = {
    Level.NORMAL: timedelta(0),
    Level.BUSY: timedelta(seconds=2),
    Level.OVERLOADED: timedelta(seconds=5),
}
"""The least time between two ticks at each level."""

EVERYTHING, CHARTS = 10, 5
"""Each how many ticks everything is sent, changed or not, and charts are drawn."""


class _Shown:
    """What this process sent last. When another one ticked in between, everything counts as new."""

    def __init__(self) -> None:
        self.sample = 0
        self.digests: dict[str, int] = {}
        self.ticks = 0

    def changed(self, sample: Sample, before: int, html: dict[str, str]) -> dict[str, str]:
        """Those of `html` that viewers do not have yet."""
        digests = {part: _digest(text, sample.id) for part, text in html.items()}
        known = self.digests if self.sample == before and self.ticks % EVERYTHING else {}
        self.sample, self.digests = sample.id, self.digests | digests
        return {part: html[part] for part in html if known.get(part) != digests[part]}


_shown = _Shown()


def tick() -> None:
    """Looks, draws and sends, unless the load says that it is too early."""
    last = Sample.objects.newest()
    period = PERIODS[Level(load.current().level)]
    if last is not None and timezone.now() - last.at < period * 0.9:
        return
    sample = samples.take(last)
    _shown.ticks += 1
    context = overview.gather(sample, sample.at)
    html = overview.render(overview.HEAD | overview.PARTS, context)
    changed = _shown.changed(sample, last.id if last else 0, html)
    # The pulse itself goes out at every tick: it is what tells a viewer that the rest is true now.
    pulse.send_frame(sample.id, changed | {"pulse": html["pulse"]})
    if _shown.ticks % CHARTS == 1:
        # Apart, because they are two thirds of all bytes.
        span = Span(sample.at - RANGES["20m"], sample.at, sample.at)
        drawn = {"head": sample, **overview.chart_context(span)}
        pulse.send_frame(sample.id, overview.render(overview.CHARTS, drawn))


def _digest(text: str, version: int) -> int:
    """Of what is shown: the version alone is not a change."""
    return crc32(text.replace(f'data-v="{version}"', "").encode())
