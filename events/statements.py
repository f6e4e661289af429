"""Runs raw statements on the connection that Django holds, inside whatever transaction is open.

The few that run many times a second are planned once and kept: planning a claim takes two
milliseconds, three times as long as running it. All others are planned each time they run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from psycopg.rows import namedtuple_row

FRESH = 1.0
"""Seconds for which a plan is kept. A table that was empty may hold a hundred thousand rows soon
after, and what was planned for the one reads all of the other."""

Values = Mapping[str, Any] | Sequence[Any]

_planned: WeakKeyDictionary[psycopg.Connection[Any], float] = WeakKeyDictionary()


def rows(statement: str, values: Values = (), *, prepare: bool = False) -> list[Any]:
    """Every row that the statement returns, as named tuples.

    `prepare` keeps its plan, which then fits any values. Raises the errors of django.db
    (OperationalError, IntegrityError, ...), like the ORM.
    """
    connection.ensure_connection()
    raw = connection.connection
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(raw, row_factory=namedtuple_row) as cursor,
    ):
        if prepare:
            _forget_old_plans(cursor)
        cursor.execute(statement, values or None, prepare=prepare, binary=True)
        return cursor.fetchall() if cursor.description else []


def _forget_old_plans(cursor: psycopg.Cursor[Any]) -> None:
    now = time.monotonic()
    if now - _planned.setdefault(cursor.connection, now) > FRESH:
        cursor.execute("DISCARD PLANS")
        _planned[cursor.connection] = now
