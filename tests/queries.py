"""Counts every statement that goes to Postgres, also those that pass Django's cursors by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements of what runs inside, from whichever thread."""
    seen: list[str] = []
    execute = psycopg.Cursor.execute

    def count(self: Any, query: Any, *values: Any, **options: Any) -> Any:
        seen.append(str(query))
        return execute(self, query, *values, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", count)
        yield seen
