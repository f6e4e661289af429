"""Lists, a page at a time by key, and never longer than two seconds at a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, models, transaction
from django.http import HttpRequest
from psycopg.errors import QueryCanceled

SIZE = 50
SECONDS = 2

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows, newest first; `older` and `newer` are the keys that the pages beside it go on from.

    `late` says that the query was stopped, so that what is missing is not taken for nothing.
    """

    rows: Sequence[Row]
    older: str | None = None
    newer: str | None = None
    late: bool = False


class TooLate(Exception):
    """The query took longer than a page may wait for it."""


@contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """Ends the queries inside after some seconds: a slow filter must not hold up the rest."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooLate from error
        raise


def page_of(request: HttpRequest, found: models.QuerySet[Row], *, size: int = SIZE) -> Page[Row]:
    """The page that `?before=` or `?after=` names: keys, so rows that arrive shift nothing."""
    before = _key(found, request.GET.get("before"))
    after = None if before is not None else _key(found, request.GET.get("after"))
    try:
        with in_time():
            if after is not None:
                rows = list(found.filter(pk__gt=after).order_by("pk")[: size + 1])
                more = len(rows) > size
                rows = rows[:size][::-1]
            else:
                newest_first = found if before is None else found.filter(pk__lt=before)
                rows = list(newest_first.order_by("-pk")[: size + 1])
                more, rows = len(rows) > size, rows[:size]
    except TooLate:
        return Page([], late=True)
    if not rows:
        return Page([])
    has_older = more if after is None else True
    has_newer = more if after is not None else before is not None
    return Page(
        rows,
        older=str(rows[-1].pk) if has_older else None,
        newer=str(rows[0].pk) if has_newer else None,
    )


def _key(found: models.QuerySet[Row], text: str | None) -> Any:
    """A cursor somebody has tampered with opens the first page."""
    if not text:
        return None
    try:
        return found.model._meta.pk.to_python(text)
    except ValidationError:
        return None
