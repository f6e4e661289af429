"""Faults: a process that dies at a chosen statement, and work that happens at the same moment.

The fault is at the wire, below everything of ours: Postgres ends the session before the n-th
exchange with it, or right after the n-th commit, when the change is made but nobody hears so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from django.db import DatabaseError, connection, connections
from psycopg.pq import TransactionStatus

from tests import laws
from tests.clean import clean_database

T = TypeVar("T")

MOST = 100
"""More exchanges with Postgres than any verb of ours needs."""

KILL = "SELECT pg_terminate_backend(%s)"
ALIVE = "SELECT FROM pg_stat_activity WHERE pid = %s"


class Exchanges:
    """How many there were, how many of them committed, and whether the session was cut."""

    def __init__(self, *, before: int, after: int, pid: int) -> None:
        self.count = 0
        self.commits = 0
        self.cut = False
        self._before = before
        self._after = after
        self._pid = pid

    def begins(self) -> None:
        self.count += 1
        if self.count == self._before:
            self.cut = True
            _kill(self._pid)

    def ended(self, *, committed: bool) -> None:
        self.commits += committed
        if committed and self.commits == self._after:
            self.cut = True
            _kill(self._pid)
            raise psycopg.OperationalError("the answer was lost")


@contextmanager
def cut(*, before: int = 0, after: int = 0) -> Iterator[Exchanges]:
    """Ends this thread's session before its n-th exchange from here on, or after its n-th commit.

    After any other exchange is the same as before the next one: nothing of it is kept.
    """
    connection.ensure_connection()
    raw = connection.connection
    seen = Exchanges(before=before, after=after, pid=raw.info.backend_pid)
    real = raw.wait

    def wait(work: Any, *args: Any, **kwargs: Any) -> Any:
        if seen.cut or work.__name__ in _SILENT:
            return real(work, *args, **kwargs)
        seen.begins()
        found = real(work, *args, **kwargs)
        seen.ended(committed=raw.info.transaction_status == TransactionStatus.IDLE)
        return found

    raw.wait = wait
    try:
        yield seen
    finally:
        del raw.wait
        if seen.cut:
            # The pool must not lend it again: where only the answer was lost it still looks well.
            raw.close()
            connection.close()


# What psycopg runs through `wait` without a word to Postgres.
_SILENT = ("_set_autocommit_gen",)


def exchanges(work: Callable[[], object]) -> int:
    """How often this thread speaks with Postgres while it works."""
    with cut() as seen:
        work()
    return seen.count


def kill_session() -> None:
    """Ends this thread's session: the next statement on it finds out."""
    connection.ensure_connection()
    _kill(connection.connection.info.backend_pid)


def kill_other_sessions() -> None:
    """Ends all sessions of the product but this thread's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'redrive' AND pid <> pg_backend_pid()"
        )


def alone(work: Callable[[], T]) -> T:
    """In a thread that gives its connection back."""
    try:
        return work()
    finally:
        connection.close()


def _kill(pid: int) -> None:
    with psycopg.connect(conninfo(), autocommit=True) as other:
        other.execute(KILL, [pid])
        while other.execute(ALIVE, [pid]).fetchone() is not None:
            """Its locks are held until it is really gone."""


def conninfo() -> str:
    """Where the tests' database is, for a session past Django and its pool."""
    values = connection.settings_dict
    return psycopg.conninfo.make_conninfo(
        dbname=values["NAME"], user=values["USER"], host=values["HOST"]
    )


def at_every_statement(
    prepare: Callable[[], Callable[[], object]], end: Callable[[], object]
) -> int:
    """Lets a verb die at each place where its process can, then runs it once more to its end.

    `prepare` makes a fresh start in an empty database and gives the verb, `end` says what is true
    when it was run to its end, however often it died before. The laws hold in between as well.
    Gives how many places there were.
    """
    places = 0
    for when in ("before", "after"):
        for number in range(1, MOST):
            clean_database()
            verb = prepare()
            with cut(**{when: number}) as seen, suppress(DatabaseError, psycopg.Error):
                verb()
            if not seen.cut:
                break
            places += 1
            laws.hold()
            verb()
            laws.hold()
            end()
        else:
            raise AssertionError("the verb never came to its end")
    return places


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """The results of works that start at the same moment, each with a connection of its own."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        try:
            try:
                connection.ensure_connection()
            except Exception:
                start.abort()  # Or the others would wait for ever.
                raise
            start.wait()
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(run, works))
