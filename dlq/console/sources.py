"""Sources of a replay, dead letters or events, as a page of rows or as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

from dlq.console import letters
from dlq.models.replay import ReplaySource
from events.console import events, why
from events.console.export import file_of, wants_file
from events.console.live import render_again
from events.console.named import named
from events.console.paging import page_of


def listed(
    request: HttpRequest,
    found: QuerySet[Any],
    page: str,
    context: Mapping[str, Any],
    *,
    source: str,
    name: str,
) -> HttpResponse | StreamingHttpResponse:
    """`page` has `of_events`, `page` and `rows` in its context; the file is called `name`."""
    of_events = source == ReplaySource.EVENTS
    if wants_file(request):
        columns = events.COLUMNS if of_events else letters.COLUMNS
        found = found.with_bytes().defer(*events.HEAVY) if of_events else found  # type: ignore[attr-defined]
        return file_of(request, found, columns, name=name)
    rows = page_of(request, found.defer(*events.HEAVY) if of_events else found)
    shown = why.with_outcomes(rows.rows) if of_events else named(rows.rows)
    context = {**context, "of_events": of_events, "page": rows, "rows": shown}
    return render_again(request, page, context)
