"""Lists, a page at a time by key, and never longer than two seconds at a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, models, transaction
from django.http import HttpRequest
from psycopg.errors import QueryCanceled

SIZE = 38
"""Rows, so that a page of any list stays below 60 KB."""

SECONDS = 2

MOST_COUNTED = 10_000
COUNT_SECONDS = 0.5

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows, newest first; `older` and `newer` are the keys that the pages beside it go on from.

    `late` says that the query was stopped, so that what is missing is not taken for nothing.
    `counted` is a number for beside the list: MOST_COUNTED + 1 for more, None where it is unknown.
    """

    rows: Sequence[Row]
    older: str | None = None
    newer: str | None = None
    late: bool = False
    counted: int | None = None


class TooLate(Exception):
    """The query took longer than a page may wait for it."""


@contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """Ends the queries inside after some seconds: a slow filter must not hold up the rest."""
    try:
        with transaction.atomic():
            _allow(seconds)
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooLate from error
        raise


def page_of(
    request: HttpRequest,
    found: models.QuerySet[Row],
    *,
    key: str = "pk",
    size: int = SIZE,
    counted: models.QuerySet[Any] | None = None,
) -> Page[Row]:
    """The page that `?before=` or `?after=` names: keys, so rows that arrive shift nothing.

    `key` names the column that tells the rows apart, where it is not the primary key.
    `counted` is counted beside it, as far as that is quick.
    """
    page: Page[Row] | None = None
    try:
        with in_time():
            page = _read(request, found, key, size)
            if counted is not None and page.rows:
                _allow(COUNT_SECONDS)
                page = replace(page, counted=counted[: MOST_COUNTED + 1].count())
    except TooLate:
        return page or Page([], late=True)
    return page


def _read(request: HttpRequest, found: models.QuerySet[Row], key: str, size: int) -> Page[Row]:
    before = _place(found, key, request.GET.get("before"))
    after = None if before is not None else _place(found, key, request.GET.get("after"))
    if after is not None:
        rows = list(found.filter(**{f"{key}__gt": after}).order_by(key)[: size + 1])
        more = len(rows) > size
        rows = rows[:size][::-1]
    else:
        newest_first = found if before is None else found.filter(**{f"{key}__lt": before})
        rows = list(newest_first.order_by(f"-{key}")[: size + 1])
        more, rows = len(rows) > size, rows[:size]
    if not rows:
        return Page([])
    has_older = more if after is None else True
    has_newer = more if after is not None else before is not None
    return Page(
        rows,
        older=str(getattr(rows[-1], key)) if has_older else None,
        newer=str(getattr(rows[0], key)) if has_newer else None,
    )


def _allow(seconds: float) -> None:
    """What each statement of the transaction may take from here on."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")


def _place(found: models.QuerySet[Row], key: str, text: str | None) -> Any:
    """A cursor somebody has tampered with opens the first page."""
    if not text:
        return None
    meta = found.model._meta
    field: Any = meta.pk if key == "pk" else meta.get_field(key)
    try:
        return field.to_python(text)
    except ValidationError:
        return None
