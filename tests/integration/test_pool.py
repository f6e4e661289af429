"""The pool of connections when PostgreSQL ends the sessions that rest in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection

pytestmark = pytest.mark.django_db(transaction=True)

RESTING = 5


def one_more(together: threading.Barrier) -> int:
    """The number of a session that is left in the pool when its thread ends."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        together.wait(10)
        return int(pid)
    finally:
        connection.close()


@pytest.fixture
def resting() -> Iterator[list[int]]:
    """The sessions of a new pool; this thread has one of another."""
    connection.ensure_connection()
    connection.close_pool()
    together = threading.Barrier(RESTING)
    with ThreadPoolExecutor(RESTING) as threads:
        yield list(threads.map(one_more, [together] * RESTING))
    connection.close_pool()


def ask() -> bool:
    """Whether a statement is answered on a session from the pool."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except OperationalError:
        return False
    finally:
        connection.close()
    return True


def test_one_lost_session_is_the_last_one_that_fails_anybody(resting: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [resting])
        assert cursor.fetchall() == [(True,)] * RESTING
    with ThreadPoolExecutor(1) as elsewhere:
        answered = [elsewhere.submit(ask).result() for _ in range(RESTING)]
    assert answered == [False, *[True] * (RESTING - 1)]


def test_a_statement_that_only_failed_costs_nobody_a_session(resting: list[int]) -> None:
    def fails() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 1")
                with pytest.raises(OperationalError):
                    cursor.execute("SELECT pg_sleep(10)")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(fails).result()
    assert connection.pool.get_stats()["pool_available"] == len(resting)
