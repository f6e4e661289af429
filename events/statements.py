"""Runs the engine's raw statements, prepared, on the connection that Django holds.

Django's own cursors bind on the client and plan every call anew; the statements of publish, claim
and record are planned once a connection. They run inside whatever transaction is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection
from psycopg.rows import namedtuple_row


def rows(statement: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[Any]:
    """Every row that the statement returns, as named tuples.

    Raises the errors of django.db (OperationalError, IntegrityError, ...), like the ORM.
    """
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection, row_factory=namedtuple_row) as cursor,
    ):
        cursor.execute(statement, values or None, prepare=True, binary=True)
        return cursor.fetchall() if cursor.description else []
