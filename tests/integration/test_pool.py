"""The pool of connections when PostgreSQL ends the sessions that rest in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection

pytestmark = pytest.mark.django_db(transaction=True)

OTHERS = (
    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
    "WHERE application_name = 'redrive' AND pid <> pg_backend_pid() "
    "AND datname = current_database()"
)
RESTING = 5


def one_more(together: threading.Barrier) -> None:
    """A session that is left in the pool when its thread ends."""
    connection.ensure_connection()
    together.wait(10)
    connection.close()


@pytest.fixture
def pool() -> Iterator[None]:
    connection.close_pool()
    together = threading.Barrier(RESTING)
    with ThreadPoolExecutor(RESTING) as threads:
        for done in [threads.submit(one_more, together) for _ in range(RESTING)]:
            done.result()
    yield
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


@pytest.mark.usefixtures("pool")
def test_one_lost_session_is_the_last_one_that_fails_anybody() -> None:
    with connection.cursor() as cursor:
        cursor.execute(OTHERS)
        (ended,) = cursor.fetchone()
    assert ended == RESTING
    with ThreadPoolExecutor(1) as elsewhere:
        assert [elsewhere.submit(ask).result() for _ in range(RESTING)] == [False, *[True] * 4]


@pytest.mark.usefixtures("pool")
def test_a_statement_that_only_failed_costs_nobody_a_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1")
        with pytest.raises(OperationalError):
            cursor.execute("SELECT pg_sleep(10)")
    connection.close()
    assert connection.pool.get_stats()["pool_available"] == RESTING
