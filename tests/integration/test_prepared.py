"""Statements that run many times a second: their plans are kept, but not for long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from events import statements
from events.engine.due import due_lanes
from events.rules.outcome import Responded
from tests import make

pytestmark = pytest.mark.usefixtures("new_session")

PROBE = "SELECT FROM seen WHERE id = %(id)s"


@pytest.fixture
def new_session(transactional_db: None) -> Iterator[None]:
    """What a session of the pool has prepared, or made, in another test does not count."""
    connection.close()
    connection.close_pool()
    yield
    connection.close()
    connection.close_pool()


def prepared() -> list[tuple[str, str]]:
    """Name and text of what this session keeps plans of."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, statement FROM pg_prepared_statements")
        return [(str(name), str(text)) for name, text in cursor.fetchall()]


def test_the_path_of_an_event_is_planned_once() -> None:
    make.owed(make.subscription())
    due_lanes(most=1)
    make.recorded(Responded(200, None))
    texts = [text for _, text in prepared()]
    for piece in ("epoch.value AS epoch", "AS lanes FROM", "AS last_lane", "INTO events_attempt"):
        assert sum(piece in text for text in texts) == 1, piece


def test_a_plan_made_for_an_empty_table_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE seen (id int PRIMARY KEY)")
        cursor.execute("ANALYZE seen")
        probe()
        cursor.execute("INSERT INTO seen SELECT generate_series(1, 10000)")
    assert "Seq Scan" in plan()
    monkeypatch.setattr(statements, "FRESH", -1.0)
    probe()
    assert "seen_pkey" in plan()


def probe() -> None:
    statements.rows(PROBE, {"id": 1}, prepare=True)


def plan() -> str:
    """What Postgres would do for the probe now."""
    [name] = [name for name, text in prepared() if text == PROBE.replace("%(id)s", "$1")]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN EXECUTE {name}(1)")
        return "\n".join(line for (line,) in cursor.fetchall())
