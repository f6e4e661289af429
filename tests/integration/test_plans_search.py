"""The plans of searches, with 60,000 events of two days indexed: what Postgres says it ran."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from psycopg.errors import Diagnostic
from pytest_django import DjangoDbBlocker

from events import statements
from events.engine import text
from events.rules import ids
from events.searching import Asked, search
from events.uuids import new_uuid
from tests import make

# Half of them a minute old, half from yesterday; each says `every`, one in a hundred `some`, one
# in a thousand `rare`, and `n` followed by its number is said once.
FILL = """
INSERT INTO events_text (id, tenant, words)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7001' || '8'
        || lpad(to_hex(n), 15, '0'))::uuid, NULL,
    concat_ws(' ', 'every', 'n' || n, CASE WHEN n % 100 = 0 THEN 'some' END,
              CASE WHEN n % 1000 = 0 THEN 'rare' END, CASE WHEN n < 100 THEN 'bygone' END,
              md5(n::text))::tsvector
FROM generate_series(1, 60000) AS n
CROSS JOIN LATERAL (SELECT now() - CASE WHEN n > 30000 THEN interval '1 minute'
    ELSE interval '24 hours' END AS at) AS moment
"""

WALKED = re.compile(r"Index Scan Backward using events_text_\w*pkey")
TABLE_READ = re.compile(r"Seq Scan on events_text_\d+")


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    yesterday = (timezone.now() - timedelta(days=1)).date()
    low, high = ids.span(yesterday)
    name = f"events_text_{yesterday:%Y%m%d}"
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE {name} PARTITION OF events_text "
                f"FOR VALUES FROM ('{low}') TO ('{high}')"
            )
            cursor.execute(FILL)
            cursor.execute("ANALYZE events_text")
            cursor.execute("LOAD 'auto_explain'")
            for setting in ("log_min_duration = 0", "log_level = notice", "log_analyze = on"):
                cursor.execute(f"SET auto_explain.{setting}")
            cursor.execute("SET auto_explain.log_buffers = on")
            cursor.execute("SET auto_explain.log_timing = off")
        yield
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {name}")
            cursor.execute("TRUNCATE events_text")
        connection.close()
        connection.close_pool()


Plans = Callable[[Callable[[], object]], str]


@pytest.fixture
def plans(filled: None, db: None) -> Iterator[Plans]:
    said: list[str] = []

    def hear(notice: Diagnostic) -> None:
        if notice.message_primary and "plan:" in notice.message_primary:
            said.append(notice.message_primary)

    def run(verb: Callable[[], object]) -> str:
        said.clear()
        verb()
        with connection.cursor() as cursor:
            # The plan of a prepared statement is said when the next statement comes.
            cursor.execute("SHOW auto_explain.log_min_duration")
        return "\n".join(said)

    with connection.cursor() as cursor:
        cursor.execute("SHOW auto_explain.log_min_duration")
    connection.connection.add_notice_handler(hear)
    yield run
    connection.connection.remove_notice_handler(hear)


def pages(plan: str) -> int:
    """How many pages all of its statements looked at."""
    of_statements = re.findall(
        r"plan:\n.*?Buffers: shared hit=(\d+)(?: read=(\d+))?", plan, re.DOTALL
    )
    assert of_statements, plan
    return sum(int(hit) + int(read or 0) for hit, read in of_statements)


def count(words: str, most: int = 50) -> int:
    found = search(Asked(words, hidden=False), most=most)
    assert found is not None
    return len(found.events)


def test_a_word_of_every_event_fills_its_page_from_the_newest_rows(plans: Plans) -> None:
    plan = plans(lambda: count("every"))
    assert count("every") == 50
    assert WALKED.search(plan), plan
    assert "words_idx" not in plan
    assert not TABLE_READ.search(plan), plan
    assert pages(plan) < 1_000


@pytest.mark.parametrize(("words", "hits"), [("rare", 50), ("n31007", 1), ("nosuchword", 0),
                                             ("rare every", 50), ("n10077", 1)])  # fmt: skip
def test_a_rarer_word_is_looked_up_in_the_index_of_words(
    plans: Plans, words: str, hits: int
) -> None:
    plan = plans(lambda: count(words))
    assert count(words) == hits
    assert "_words_idx" in plan, plan
    assert not TABLE_READ.search(plan), plan
    assert pages(plan) < 3_000


def test_days_behind_the_one_that_fills_the_page_are_not_read(plans: Plans) -> None:
    plan = plans(lambda: count("rare", most=20))
    yesterday = timezone.now() - timedelta(days=1)
    name = f"events_text_{yesterday:%Y%m%d}"
    lines = [line for line in plan.splitlines() if name in line and "Bitmap" in line]
    assert lines
    assert all("never executed" in line for line in lines), plan


def test_the_job_finds_its_slice_and_what_it_knows_by_their_keys(plans: Plans) -> None:
    events = make.published(*(make.event() for _ in range(5)))
    values = {"start": events[0], "until": new_uuid(), "most": 500}
    plan = plans(lambda: statements.rows(text.AHEAD, values))
    assert re.search(r"Index (Only )?Scan using events_event_\w*pkey", plan), plan
    bounds = {"ids": events, "first": events[0], "last": events[-1]}
    plan = plans(lambda: statements.rows(text.KNOWN, bounds))
    assert not TABLE_READ.search(plan), plan
    assert "Subplans Removed" in plan
