"""The plans of what replays left out: 60,000 of one replay, one each of 2,000, 6,000 that are over.

Postgres says what each statement read.
"""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from dlq.models import Replay, ReplaySkip
from dlq.tasks import forget_old
from events.console.paging import SIZE
from tests.integration.test_plans_deliveries import looked_at, nodes, plan_of

# Ids of replays are UUIDv7 of a moment and a number.
FILL = """
INSERT INTO dlq_replay (id, source, criteria, fresh, again, state, total, made, skipped, token,
        created_by, finished_at)
    SELECT (lpad(to_hex((extract(epoch FROM r.at) * 1000)::bigint), 12, '0') || '70018'
            || lpad(to_hex(n), 15, '0'))::uuid, 'events', '{}', false, false, 'done', 1, 0, 1,
        n::text, '', r.at
    FROM generate_series(1, 2002) AS n, LATERAL (SELECT now() - CASE WHEN n = 2
        THEN interval '900 days' ELSE interval '0' END) AS r(at);
INSERT INTO dlq_replayskip (replay_id, source, reason)
    SELECT id, lpad(to_hex(n), 32, '0')::uuid, 'event_gone'
    FROM dlq_replay, generate_series(1,
        CASE token WHEN '1' THEN 60000 WHEN '2' THEN 6000 ELSE 1 END) AS n;
ANALYZE dlq_replay, dlq_replayskip;
"""

KEY = "dlq_replayskip_pkey"


@pytest.fixture
def _filled(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL)


pytestmark = pytest.mark.usefixtures("_filled")


def bounded(found: QuerySet[ReplaySkip]) -> set[str]:
    """Fails where the table is read through, or more is read than is asked for; gives indexes."""
    plan = plan_of(found)
    for node in nodes(plan):
        assert (node["Node Type"], node.get("Relation Name")) != ("Seq Scan", "dlq_replayskip")
    assert looked_at(plan) < 500, plan
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


@pytest.mark.parametrize("token", ["1", "2", "3"], ids=["many", "over", "one"])
def test_a_page_of_what_one_replay_left_out_reads_its_rows(token: str) -> None:
    replay, middle = Replay.objects.get(token=token), UUID(int=30_000)
    found = ReplaySkip.objects.of(replay.id)
    for page in (found, found.filter(source__lt=middle)):
        assert KEY in bounded(page.order_by("-source")[: SIZE + 1])


def test_what_is_over_is_found_by_its_key_and_all_of_it_goes() -> None:
    with CaptureQueriesContext(connection) as asked:
        forget_old()
    assert ReplaySkip.objects.count() == 62_000
    looks = [one["sql"] for one in asked if one["sql"].startswith("SELECT")]
    with connection.cursor() as cursor:
        for sql in looks:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan on dlq_replayskip" not in plan, plan
    assert len(looks) == 6
