"""A filtered list as a file: CSV or JSON lines, streamed, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import models
from django.http import HttpRequest, StreamingHttpResponse

from events import load
from events.rules.load import Step

FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
AT_ONCE = 1_000
BUSY = b"The load is too high to make a file of this list. Try again in a minute.\n"

Columns = Mapping[str, Callable[[Any], object]]

_JSON = (int, float, bool, dict, list, type(None))

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def wants_file(request: HttpRequest) -> bool:
    return request.GET.get("export") in FORMATS


def file_of(
    request: HttpRequest, found: models.QuerySet[Any], columns: Columns, *, name: str
) -> StreamingHttpResponse:
    """Every row of the query, newest first; a thousand are held at a time.

    503 under the worst load: whoever reads whole tables then waits.
    """
    if Step.NO_FILES in load.current().steps:
        return StreamingHttpResponse(
            [BUSY], status=503, headers={"Retry-After": "60"}, content_type="text/plain"
        )
    form = request.GET["export"]
    chunks = _csv(found, columns) if form == "csv" else _json_lines(found, columns)
    # Django reads a synchronous stream to its end before it sends the first byte over ASGI.
    body = _awaited(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(body, content_type=FORMATS[form])
    response["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return response


def cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = _text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Line:
    """What csv writes to: it gives the line back."""

    def write(self, text: str) -> str:
        return text


def _csv(found: models.QuerySet[Any], columns: Columns) -> Iterator[bytes]:
    writer = csv.writer(_Line())
    yield str(writer.writerow(columns)).encode()
    for rows in _chunks(found):
        lines = (writer.writerow([cell(of(row)) for of in columns.values()]) for row in rows)
        yield "".join(str(line) for line in lines).encode()


def _json_lines(found: models.QuerySet[Any], columns: Columns) -> Iterator[bytes]:
    for rows in _chunks(found):
        yield b"".join(
            json.dumps({name: _plain(of(row)) for name, of in columns.items()}).encode() + b"\n"
            for row in rows
        )


def _chunks(found: models.QuerySet[Any]) -> Iterator[Iterable[Any]]:
    """By key, not with a cursor of the server: no transaction stays open while a client reads."""
    newest_first = found.order_by("-pk")
    rows = list(newest_first[:AT_ONCE])
    while rows:
        yield rows
        rows = list(newest_first.filter(pk__lt=rows[-1].pk)[:AT_ONCE])


async def _awaited(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(chunks, None))
    while (chunk := await following()) is not None:
        yield chunk


def _plain(value: object) -> object:
    return value if isinstance(value, _JSON) else _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if not isinstance(value, UUID) else value.hex
