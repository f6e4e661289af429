"""The plans of the list of deliveries and of bulk jobs, with 200,000 finished and 40,000 owed.

Postgres says what each statement read; how often a page was looked at is what it cost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from events import choose
from events.choose import Criteria
from events.console.paging import SIZE
from events.models import Delivery, OwedDelivery
from events.timeline import readable
from tests import make

# Ids of today: UUIDv7 of now and a number. One in a hundred was answered 503, two rows 418.
# One replay made 200 of the finished, another one 40,000.
FILL = """
CREATE FUNCTION pg_temp.id_of(kind int, n bigint) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7'
            || lpad(to_hex(kind), 3, '0') || '8' || lpad(to_hex(n), 15, '0'))::uuid
$$;
INSERT INTO events_finished (id, event_id, subscription_id, event_type, state, priority, attempts,
        webhook_id, last_status, last_error, replay_id, created_at, finished_at)
    SELECT pg_temp.id_of(2, n), pg_temp.id_of(1, n), lanes[n %% 20 + 1], 'type.' || n %% 50,
        CASE WHEN n %% 100 = 0 THEN 'dead' ELSE 'delivered' END, 1, 1, pg_temp.id_of(2, n),
        CASE WHEN n = 7 THEN 418 WHEN n %% 100 = 0 THEN 503 ELSE 200 END, '',
        CASE WHEN n %% 1000 = 0 THEN lanes[1] WHEN n %% 5 = 0 THEN lanes[2] END, now(), now()
    FROM generate_series(1, 200000) AS n, (SELECT %(lanes)s::uuid[] AS lanes) AS s;
INSERT INTO events_owed (id, event_id, subscription_id, event_type, state, priority, attempts,
        webhook_id, last_status, last_error, created_at, due_at, worker, strikes)
    SELECT pg_temp.id_of(3, n), pg_temp.id_of(1, n), lanes[n %% 20 + 1], 'type.' || n %% 50,
        'pending', 1, 1, pg_temp.id_of(3, n),
        CASE WHEN n = 7 THEN 418 WHEN n %% 100 = 0 THEN 503 WHEN n %% 2 = 0 THEN 500 END, '',
        now(), now() + interval '1 hour', '', 0
    FROM generate_series(1, 40000) AS n, (SELECT %(lanes)s::uuid[] AS lanes) AS s;
"""

TABLES = "events_owed, events_finished"
# The partitions of other days are empty: reading them through costs nothing.
TODAY = f"{timezone.now():%Y%m%d}"
SCANNED = re.compile(rf"events_owed|events_finished(_{TODAY})?")


@pytest.fixture(scope="module")
def lanes(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[list[UUID]]:
    with django_db_blocker.unblock():
        made = [make.subscription(types=["none"]).id for _ in range(20)]
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"lanes": made})
            cursor.execute(f"ANALYZE {TABLES}")
        yield made
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                f"TRUNCATE {TABLES}, events_subscription, events_secret, events_lane, "
                "events_auditentry, events_ledgerentry"
            )
        connection.close()
        connection.close_pool()


pytestmark = pytest.mark.usefixtures("lanes", "db")


def plan_of(found: QuerySet[Any]) -> dict[str, Any]:
    [plan] = json.loads(found.explain(format="json", analyze=True, buffers=True))
    top: dict[str, Any] = plan["Plan"]
    return top


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def looked_at(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def bounded(found: QuerySet[Any], *, pages: int = 500) -> set[str]:
    """Fails where a big table is read through, or more is read than the page shows."""
    plan = plan_of(found)
    for node in nodes(plan):
        scanned = node["Node Type"] == "Seq Scan" and SCANNED.fullmatch(node["Relation Name"])
        assert not scanned, plan
    assert looked_at(plan) <= pages, plan
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def listed(**criteria: Any) -> QuerySet[Delivery]:
    found = choose.narrowed(readable(Delivery.objects.all()), Criteria(**criteria))
    return found.order_by("-id")[: SIZE + 1]


@pytest.mark.parametrize("status", [200, 503, 418, 404])
def test_a_page_of_one_status_reads_its_rows_however_rare_they_are(status: int) -> None:
    used = bounded(listed(status=status))
    assert "owed_status" in used
    assert any("last_status_id_idx" in name for name in used), used


def test_a_page_of_one_status_and_state_reads_its_rows() -> None:
    bounded(listed(status=503, state="dead"), pages=3_000)
    assert bounded(listed(status=503, state="pending")) == {"owed_status"}


@pytest.mark.parametrize("replay", [0, 1, 2], ids=["small", "large", "made nothing"])
def test_a_page_of_one_replay_reads_what_it_made(lanes: list[UUID], replay: int) -> None:
    used = bounded(listed(replay=lanes[replay]))
    assert "owed_replay" in used
    assert any("replay_id_id_idx" in name for name in used), used


@pytest.mark.parametrize(
    "criteria", [{}, {"state": "pending"}, {"state": "dead"}, {"status": 418}, {"status": 404}]
)
def test_what_is_newer_than_the_page_is_counted_by_key_up_to_a_hundred(
    criteria: dict[str, Any],
) -> None:
    oldest = Delivery.objects.earliest("id").id
    found = choose.narrowed(Delivery.objects.all(), Criteria(**criteria)).filter(pk__gt=oldest)
    bounded(found.order_by("-pk").values_list("pk", flat=True)[:100])


def test_the_rows_of_a_page_are_read_again_by_their_keys() -> None:
    shown = list(Delivery.objects.order_by("-id").values_list("id", flat=True)[:SIZE])
    bounded(readable(Delivery.objects.filter(id__in=shown)), pages=1_000)


@pytest.mark.parametrize("status", [418, 404])
def test_a_slice_of_a_bulk_job_looks_at_what_meets_it(status: int) -> None:
    found = choose.narrowed(
        OwedDelivery.objects.all(), Criteria(status=status, before=timezone.now())
    )
    assert bounded(found.order_by("id").values_list("id")[:1_000]) == {"owed_status"}


def test_a_slice_of_everything_that_is_owed_goes_on_by_key() -> None:
    middle = OwedDelivery.objects.order_by("id")[20_000].id
    found = choose.narrowed(OwedDelivery.objects.all(), Criteria(before=timezone.now()))
    page = found.filter(id__gt=middle).order_by("id").values_list("id")[:1_000]
    assert bounded(page) == {"events_owed_pkey"}


@pytest.mark.parametrize("state", ["owed", "later"])
def test_a_page_of_what_is_owed_stops_at_its_rows(state: str) -> None:
    bounded(listed(state=state))


@pytest.mark.parametrize("state", ["due", "parked"])
def test_a_page_of_what_is_due_reads_what_is_owed_at_most(state: str) -> None:
    plan = plan_of(listed(state=state))
    scanned = {node.get("Relation Name") for node in nodes(plan) if node["Actual Loops"]}
    assert not [name for name in scanned if name and name.startswith("events_finished")], plan
    assert plan["Actual Total Time"] < 1_000


def test_a_page_of_one_event_reads_its_rows() -> None:
    event = Delivery.objects.earliest("id").event
    used = bounded(listed(event=event))
    assert "owed_event" in used
