"""Charts: gaps stay gaps, minutes make no false ones, latency goes by decades, marks and spans."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from dlq import replay
from dlq.plan import Order
from dlq.select import Criteria
from events.roles import Role
from monitoring.charts import Chart, charts
from monitoring.models import Sample
from monitoring.spans import POINTS, RANGES, Span
from tests import make, pages

pytestmark = pytest.mark.django_db

LIVE = RANGES["20m"]


def sampled(at: datetime, **fields: object) -> None:
    values = {"span": 1.0, "accepted": 10, "attempts": 1, "p50": 10.0, "p95": 100.0, "p99": 1000.0}
    Sample.objects.create(at=at, **{**values, **fields})


def drawn(span: Span) -> dict[str, Chart]:
    return {chart.key: chart for chart in charts(span)}


def test_a_gap_in_the_samples_is_a_gap_in_the_line() -> None:
    now = timezone.now()
    for second in [*range(100, 400, 20), *range(800, 1_200, 20)]:
        sampled(now - timedelta(seconds=second))
    [line, *_] = drawn(Span(now - LIVE, now, now))["throughput"].lines
    assert len(line.paths) == 2
    assert line.last == 10.0


def test_minutes_of_an_old_span_make_no_false_gaps() -> None:
    now = timezone.now()
    start = (now - timedelta(days=2)).replace(second=0, microsecond=0)
    for minute in range(10):
        sampled(start + timedelta(minutes=minute), span=60.0, rolled=True)
    span = Span(start + timedelta(seconds=17), start + timedelta(minutes=9, seconds=30), now)
    assert (span.width, span.points) == (60.0, 10)
    shown = drawn(span)["throughput"]
    assert len(shown.lines[0].paths) == 1
    assert len(shown.rows) == span.points


def test_latency_is_drawn_by_decades_up_to_a_round_one() -> None:
    now = timezone.now()
    sampled(now - timedelta(seconds=15))
    latency = drawn(Span(now - LIVE, now, now))["latency"]
    assert latency.top == 1000.0
    heights = [int(line.paths[0].removesuffix("h2").split()[1]) for line in latency.lines]
    assert heights == [80, 40, 0]


def test_failures_are_told_by_side_and_the_backlog_by_its_age() -> None:
    now = timezone.now()
    sampled(now - timedelta(seconds=15), failures=3, ours=2, oldest=95.0, due=4, parked=5)
    shown = drawn(Span(now - LIVE, now, now))
    by_word = {line.word: line.last for chart in shown.values() for line in chart.lines}
    assert (by_word["failed, theirs"], by_word["failed, ours"]) == (3.0, 2.0)
    assert (by_word["oldest due"], by_word["due"], by_word["parked"]) == (95.0, 4.0, 5.0)


def test_openings_of_breakers_and_beginnings_of_replays_are_marked() -> None:
    make.dead(make.subscription())
    replay.start(Order(source="dead_letters", criteria=Criteria(), token="x"), actor="user:x")
    now = timezone.now()
    for second, many in ((61, 0), (41, 1), (21, 1)):
        sampled(now - timedelta(seconds=second), open=many)
    shown = drawn(Span(now - LIVE, now + timedelta(seconds=1), now))["backlog"]
    assert len(shown.marks) == 1
    assert len(shown.replays) == 1
    assert shown.marks[0] < shown.replays[0] <= 600


def test_a_span_is_chosen_by_its_ends_and_a_wrong_one_is_the_live_one() -> None:
    client = pages.signed_in(Role.VIEWER)
    now = timezone.now()
    chosen = {"from": (now - timedelta(hours=3)).isoformat(), "to": now.isoformat()}
    page = client.get(reverse("overview"), chosen)
    assert page.context["fixed"]
    assert len(page.context["charts"][0].rows) == POINTS
    assert not client.get(reverse("overview"), chosen | {"to": "yesterday"}).context["fixed"]
