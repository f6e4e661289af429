"""Charts as SVG from the server: where each line goes, and the table that says the same.

One template draws page, frame and polling answer. A gap in the samples is a gap in the line;
scales begin at 0, that of latency is logarithmic; the upper end is a round number, so that it
holds still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from dlq.models import Replay
from events import statements
from monitoring.spans import Span

MARKED = 100
"""Replays that are marked at most."""

WIDTH, HEIGHT = 600.0, 120.0

# Seconds and minutes alike: sums add up, gauges are averaged, percentiles weighed by attempts.
BINS = """
SELECT date_bin(make_interval(secs => %(width)s), at, %(start)s::timestamptz) AS at,
    sum(span) AS span, sum(accepted) AS accepted, sum(delivered) AS delivered,
    sum(failures) AS failures, sum(ours) AS ours,
    sum(p50 * attempts) / nullif(sum(attempts) FILTER (WHERE p50 IS NOT NULL), 0) AS p50,
    sum(p95 * attempts) / nullif(sum(attempts) FILTER (WHERE p95 IS NOT NULL), 0) AS p95,
    max(p99) AS p99, avg(in_flight) AS in_flight, avg(due) AS due, avg(waiting) AS waiting,
    avg(parked) AS parked, coalesce(max(oldest), 0) AS oldest, max(open) AS open
FROM monitoring_sample WHERE at >= %(start)s AND at < %(end)s
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Line:
    """`paths` are SVG path data, one for each stretch without a gap."""

    word: str
    tone: str
    paths: Sequence[str]
    last: float | None
    area: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """`rows` hold a time and the value of each line, newest last.

    `marks` are the x at which a breaker opened, `replays` those at which a replay began.
    """

    key: str
    title: str
    unit: str
    top: float
    lines: Sequence[Line]
    rows: Sequence[tuple[datetime, Sequence[float | None]]]
    marks: Sequence[int]
    replays: Sequence[int]


def charts(span: Span) -> list[Chart]:
    """Throughput, latency, backlog and its age over a span."""
    rows = statements.rows(BINS, {"start": span.start, "end": span.end, "width": span.width})
    by_place = {round((row.at - span.start).total_seconds() / span.width): row for row in rows}
    bins = [by_place.get(place) for place in range(span.points)]
    place = Place(
        times=[span.start + timedelta(seconds=span.width * one) for one in range(span.points)],
        marks=_openings(bins),
        replays=_replays(span),
    )
    return [
        _throughput(bins, place),
        _latency(bins, place),
        _backlog(bins, place),
        _lines(
            ("oldest", "Oldest that is due", "waited"),
            [("oldest due", "degraded")],
            [_column(bins, attrgetter("oldest"))],
            place,
        ),
    ]


Column = list[float | None]
Names = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """When each point is, and what is marked where."""

    times: Sequence[datetime]
    marks: Sequence[int]
    replays: Sequence[int]


def _throughput(bins: Sequence[Any], place: Place) -> Chart:
    return _lines(
        ("throughput", "Throughput", "per second"),
        [
            ("accepted", "parked"),
            ("delivered", "healthy"),
            ("failed, theirs", "failing"),
            ("failed, ours", "half-open"),
        ],
        [
            _column(bins, lambda row: float(row.accepted) / row.span),
            _column(bins, lambda row: float(row.delivered) / row.span),
            _column(bins, lambda row: float(row.failures) / row.span),
            _column(bins, lambda row: float(row.ours) / row.span),
        ],
        place,
    )


def _latency(bins: Sequence[Any], place: Place) -> Chart:
    return _lines(
        ("latency", "Publish to delivered", "ms"),
        [("p50", "healthy"), ("p95", "parked"), ("p99", "half-open")],
        [_column(bins, attrgetter(name)) for name in ("p50", "p95", "p99")],
        place,
        logarithmic=True,
    )


def _backlog(bins: Sequence[Any], place: Place) -> Chart:
    return _stack(
        ("backlog", "Backlog", "deliveries"),
        [
            ("in flight", "parked"),
            ("due", "replaying"),
            ("retry later", "degraded"),
            ("parked", "open"),
        ],
        [
            [None if n is None else float(n) for n in _column(bins, attrgetter(name))]
            for name in ("in_flight", "due", "waiting", "parked")
        ],
        place,
    )


def _column(bins: Sequence[Any], value: Callable[[Any], float | None]) -> Column:
    return [None if row is None else value(row) for row in bins]


def _openings(bins: Sequence[Any]) -> list[int]:
    """Where more breakers were open than the moment before."""
    found: list[int] = []
    before = 0
    for place, row in enumerate(bins):
        if row is not None:
            if row.open > before and place:
                found.append(_x(place, len(bins)))
            before = row.open
    return found


def _replays(span: Span) -> list[int]:
    begun = Replay.objects.filter(created_at__gte=span.start, created_at__lt=span.end)
    times = begun.order_by("-created_at").values_list("created_at", flat=True)[:MARKED]
    return sorted({_x(span.place(at), span.points) for at in times})


def _lines(
    names: Names,
    words: Sequence[tuple[str, str]],
    columns: Sequence[Column],
    place: Place,
    *,
    logarithmic: bool = False,
) -> Chart:
    top = _round_up(_highest(columns), decade=logarithmic)

    def height(value: float) -> float:
        if logarithmic:
            return math.log10(max(value, 1.0)) / math.log10(max(top, 10.0))
        return value / top

    lines = [
        Line(word, tone, _paths(column, height), _last(column))
        for (word, tone), column in zip(words, columns, strict=True)
    ]
    return _chart(names, top, lines, columns, place)


def _stack(
    names: Names, words: Sequence[tuple[str, str]], columns: Sequence[Column], place: Place
) -> Chart:
    sums: list[Column] = []
    for column in columns:
        below = sums[-1] if sums else [0.0] * len(column)
        sums.append([_plus(low, value) for low, value in zip(below, column, strict=True)])
    top = _round_up(_highest(sums))
    lines = [
        Line(word, tone, _areas(total, top), _last(column), area=True)
        for (word, tone), column, total in zip(words, columns, sums, strict=True)
    ]
    return _chart(names, top, lines[::-1], columns[::-1], place)


def _chart(
    names: Names, top: float, lines: Sequence[Line], columns: Sequence[Column], place: Place
) -> Chart:
    rows = list(zip(place.times, zip(*columns, strict=True), strict=True))
    return Chart(*names, top, lines, rows, place.marks, place.replays)


def _plus(low: float | None, value: float | None) -> float | None:
    return None if low is None or value is None else low + value


def _highest(columns: Sequence[Column]) -> float:
    return max((value for column in columns for value in column if value is not None), default=0.0)


def _last(column: Column) -> float | None:
    return next((value for value in reversed(column) if value is not None), None)


def _round_up(value: float, *, decade: bool = False) -> float:
    """The next of 1, 2, 5 times a power of ten, at least 10; of 1 alone for a decade."""
    if value <= 10:
        return 10.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (1, 10) if decade else (1, 2, 5, 10)
    return next(power * step for step in steps if power * step >= value)


def _x(place: int, points: int) -> int:
    return round(place * WIDTH / (points - 1))


def _paths(column: Column, height: Callable[[float], float]) -> list[str]:
    paths = []
    for stretch in _stretches(column):
        steps = [
            f"{_x(place, len(column))} {HEIGHT - height(value) * HEIGHT:.0f}"
            for place, value in stretch
        ]
        # A stretch of one point would draw nothing: a short dash shows that it is there.
        paths.append("M" + "L".join(steps) + ("h2" if len(steps) == 1 else ""))
    return paths


def _areas(column: Column, top: float) -> list[str]:
    paths = []
    for stretch in _stretches(column):
        places = [_x(place, len(column)) for place, _ in stretch]
        heights = [HEIGHT - value / top * HEIGHT for _, value in stretch]
        steps = [f"{x} {y:.0f}" for x, y in zip(places, heights, strict=True)]
        first, last = places[0], places[-1]
        paths.append(f"M{first} {HEIGHT:.0f}L" + "L".join(steps) + f"L{last} {HEIGHT:.0f}Z")
    return paths


def _stretches(column: Column) -> list[list[tuple[int, float]]]:
    found: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(column):
        if value is not None:
            found[-1].append((place, value))
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found if stretch]
