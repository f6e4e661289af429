"""Lists, a page at a time by key: what arrives meanwhile shifts nothing; nothing is counted."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import models
from ninja import Schema
from pydantic import BaseModel, Field

from events.api.callers import Request
from events.api.refusals import Refused
from events.problems import Code, Problem

DIGEST_BYTES = 8

Row = TypeVar("Row", bound=models.Model)
Shown = TypeVar("Shown")


class Paging(Schema):
    """What every list takes; a list's own filters are added below it."""

    limit: int = Field(default=50, ge=1, le=200, description="Items on the page.")
    cursor: str | None = Field(
        None, max_length=200, description="`next_cursor` of the page before, with the same filters."
    )


class Page(BaseModel, Generic[Shown]):
    """One page; `next_cursor` is null on the last one."""

    data: list[Shown]
    next_cursor: str | None


def rows_of(
    request: Request, wanted: Paging, found: models.QuerySet[Row], *, key: str = "pk"
) -> tuple[Sequence[Row], str | None]:
    """The page of rows, newest first, and the cursor of the next one.

    `key` names the column that tells the rows apart, where it is not the primary key.
    """
    place = place_of(request, wanted)
    last = UUID(bytes=place) if place and len(place) == 16 else None
    if place and last is None:
        raise Refused(bad_cursor())
    older = found if last is None else found.filter(**{f"{key}__lt": last})
    rows = list(older.order_by(f"-{key}")[: wanted.limit + 1])
    if len(rows) <= wanted.limit:
        return rows, None
    rows.pop()
    return rows, cursor_of(request, wanted, getattr(rows[-1], key).bytes)


def cursor_of(request: Request, wanted: Paging, place: bytes) -> str:
    """Where a page ended, tied to the list and its filters."""
    return base64.urlsafe_b64encode(_digest(request, wanted) + place).decode().rstrip("=")


def place_of(request: Request, wanted: Paging) -> bytes | None:
    """Where the page before ended; None for the first page. Refuses what no page gave."""
    _refuse_unknown(request, wanted)
    if wanted.cursor is None:
        return None
    try:
        read = base64.b64decode(wanted.cursor + "=" * (-len(wanted.cursor) % 4), b"-_", True)  # noqa: FBT003 - validate
    except (binascii.Error, ValueError):
        raise Refused(bad_cursor()) from None
    if read[:DIGEST_BYTES] != _digest(request, wanted):
        raise Refused(bad_cursor())
    return read[DIGEST_BYTES:]


def equal(**values: Any) -> models.Q:
    """Columns that must equal a value, where one was asked for."""
    return models.Q(**{name: value for name, value in values.items() if value is not None})


def _digest(request: Request, wanted: Paging) -> bytes:
    filters = wanted.model_dump_json(exclude={"limit", "cursor"})
    asked = f"{request.path}\0{filters}".encode()
    return hashlib.blake2b(asked, digest_size=DIGEST_BYTES).digest()


def _refuse_unknown(request: Request, wanted: Paging) -> None:
    """A filter with a slip in its name would silently be none."""
    unknown = sorted(set(request.GET) - set(type(wanted).model_fields))
    if unknown:
        first, *more = ((f"/{name[:50]}", "It is no parameter of this list.") for name in unknown)
        detail = f"{unknown[0][:50]}: {first[1]}"
        raise Refused(Problem(Code.UNKNOWN_FIELD, detail, pointer=first[0], more=more))


def bad_cursor() -> Problem:
    detail = "Use next_cursor of the page before, unchanged and with the same filters."
    return Problem(Code.BAD_CURSOR, detail, pointer="/cursor")
