"""The plans of the hot statements, with 300,000 finished and 50,000 parked deliveries in place.

Postgres itself says which plan it ran (auto_explain), for the very statements that the code sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Count
from django.utils import timezone
from psycopg.errors import Diagnostic
from pytest_django import DjangoDbBlocker

from dlq import repair, select
from dlq.models import DeadLetter, ReplaySkip, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order, plan
from dlq.replay import start
from dlq.select import Criteria
from dlq.skip import skip
from events import ledger, load, recount
from events.engine.claim import claim
from events.engine.due import due_lanes
from events.engine.record import record
from events.engine.rescue import rescue
from events.finish import finish
from events.lanes import FIRST
from events.models import Attempt, Delivery, Event, EventIdentity, OwedDelivery, Subscription
from events.publish import Identity, publish
from events.redeliver import Redelivery
from events.rules.outcome import Responded
from events.rules.states import DeliveryState
from events.timeline import unmet
from events.uuids import new_uuid
from monitoring import samples
from monitoring.status import status
from tests import make

# Ids of today: UUIDv7 of now and a number.
FILL = """
CREATE FUNCTION pg_temp.id_of(kind int, n bigint) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7'
            || lpad(to_hex(kind), 3, '0') || '8' || lpad(to_hex(n), 15, '0'))::uuid
$$;
INSERT INTO events_event (id, source, type, tenant, priority, data, received_at, matched)
    SELECT pg_temp.id_of(1, n), '/shop', 'type.' || n %% 50, CASE WHEN n %% 10 = 0 THEN 'acme' END,
        1, '{}', now(), 10
    FROM generate_series(1, 35000) AS n;
INSERT INTO events_finished (id, event_id, subscription_id, event_type, owner, state, priority,
        attempts, webhook_id, last_error, created_at, finished_at)
    SELECT pg_temp.id_of(2, n), pg_temp.id_of(1, n / 10 + 1), lanes[n %% 40 + 1],
        'type.' || n %% 50, CASE WHEN n %% 10 = 0 THEN 'acme' END,
        CASE WHEN n %% 100 = 0 THEN 'dead' WHEN n %% 100 = 1 THEN 'cancelled' ELSE 'delivered' END,
        1, 1, pg_temp.id_of(2, n), '', now(), now()
    FROM generate_series(1, 300000) AS n, (SELECT %(lanes)s::uuid[] AS lanes) AS s;
INSERT INTO events_owed (id, event_id, subscription_id, event_type, state, priority, attempts,
        webhook_id, last_error, created_at, due_at, worker, strikes)
    SELECT pg_temp.id_of(3, n), pg_temp.id_of(1, n / 20 + 1), parked[n %% 20 + 1],
        'type.' || n %% 50, 'pending', 1, 0, pg_temp.id_of(3, n), '', now(),
        now() - interval '1 hour', '', 0
    FROM generate_series(1, 50000) AS n, (SELECT %(parked)s::uuid[] AS parked) AS s;
INSERT INTO events_attempt (id, delivery_id, subscription_id, number, late, started_at, total_ms,
        outcome, verdict, error, request_headers, address, worker)
    SELECT pg_temp.id_of(4, n), pg_temp.id_of(2, n), lanes[1], 1, false, now(), 1, 'responded',
        'delivered', '', '[]', '', 'w'
    FROM generate_series(1, 50000) AS n, (SELECT %(lanes)s::uuid[] AS lanes) AS s;
INSERT INTO events_eventidentity (key, event_id, content, expires_at)
    SELECT pg_temp.id_of(5, n), pg_temp.id_of(1, n), pg_temp.id_of(5, n), now() + interval '3 days'
    FROM generate_series(1, 35000) AS n;
INSERT INTO dlq_signature (id, subscription_id, outcome, words, error, first_at, last_at, total,
        open)
    SELECT pg_temp.id_of(6, n), lanes[n %% 40 + 1], 'responded', '', '', now(),
        now() - n * interval '1 s', 10, CASE WHEN n <= 50 THEN 10 ELSE 0 END
    FROM generate_series(1, 3000) AS n, (SELECT %(lanes)s::uuid[] AS lanes) AS s;
INSERT INTO dlq_deadletter (id, event_id, subscription_id, event_type, signature_id, state,
        attempts, error, reason, died_at, settled_by, settled_at)
    SELECT pg_temp.id_of(2, n), pg_temp.id_of(1, n), lanes[n %% 40 + 1], 'type.1',
        pg_temp.id_of(6, n %% 3000 + 1), CASE WHEN n %% 3000 < 50 THEN 'open' ELSE 'discarded' END,
        1, '', '', now(), '', CASE WHEN n %% 3000 < 50 THEN NULL ELSE now() END
    FROM generate_series(1, 30000) AS n, (SELECT %(lanes)s::uuid[] AS lanes) AS s;
"""

SCANNED = (
    *("events_owed", "events_finished", "events_event", "events_attempt"),
    *("events_eventidentity", "dlq_deadletter"),
)
# The partitions of other days are empty: reading them through costs nothing.
TODAY = f"{timezone.now():%Y%m%d}"
SEQ_SCAN = re.compile(rf"Seq Scan on (?:{'|'.join(SCANNED)})(?:_{TODAY})?(?: |$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Filled:
    """Forty open lanes, of which twenty are parked behind their breakers."""

    lanes: list[UUID]

    @property
    def open(self) -> list[UUID]:
        return self.lanes[20:]


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Filled]:
    with django_db_blocker.unblock():
        lanes = [make.subscription().id for _ in range(40)]
        with connection.cursor() as cursor:
            cursor.execute(FILL, {"lanes": lanes, "parked": lanes[:20]})
            cursor.execute(
                "UPDATE events_lane SET state = 'open', retry_at = now() + interval '1 hour' "
                "WHERE subscription_id = ANY(%s)",
                [lanes[:20]],
            )
            cursor.execute(f"ANALYZE {', '.join(SCANNED)}, dlq_signature, events_lane")
            cursor.execute("LOAD 'auto_explain'")
            for setting in ("log_min_duration = 0", "log_level = notice", "log_analyze = on"):
                cursor.execute(f"SET auto_explain.{setting}")
            cursor.execute("SET auto_explain.log_buffers = on")
            cursor.execute("SET auto_explain.log_timing = off")
            cursor.execute("SET auto_explain.log_nested_statements = on")
        yield Filled(lanes)
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(
                "TRUNCATE events_subscription, events_secret, events_lane, events_auditentry, "
                "dlq_signature, events_ledgerentry, " + ", ".join(SCANNED)
            )
        connection.close()
        connection.close_pool()


@pytest.fixture
def plans(filled: Filled, db: None) -> Iterator[Callable[[Callable[[], object]], str]]:
    """The plans of what a verb asks; what it writes is taken back at the end of the test."""
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


Plans = Callable[[Callable[[], object]], str]


def uses(plan: str, *indexes: str) -> None:
    """Each index is used, and no large table is read through."""
    assert plan, "nothing was asked"
    for index in indexes:
        assert index in plan, f"{index} is not used:\n{plan}"
    assert not SEQ_SCAN.search(plan), plan


def pages(plan: str) -> int:
    """How many pages the statement looked at: what it cost, whatever the machine does beside."""
    found = re.search(r"Buffers: shared hit=(\d+)(?: read=(\d+))?", plan)
    assert found is not None, plan
    return int(found[1]) + int(found[2] or 0)


def owe(to: Filled, many: int) -> None:
    """Deliveries that are due on an open lane."""
    Subscription.objects.exclude(id=to.open[0]).update(types=["none"])
    publish([make.event() for _ in range(many)], identity_ttl=60.0)


def take(cursor: UUID = FIRST) -> object:
    return claim(want=100, cursor=cursor, worker="w", lease=new_uuid())


def test_a_claim_walks_the_lanes_and_parked_deliveries_cost_it_nothing(
    plans: Plans, filled: Filled
) -> None:
    owe(filled, 5)
    plan = plans(take)
    uses(plan, "owed_lane", "owed_in_flight")
    assert pages(plan) < 2_000


def test_the_look_for_due_lanes_walks_the_same_index(plans: Plans, filled: Filled) -> None:
    plan = plans(lambda: due_lanes(most=8))
    uses(plan, "owed_lane")
    assert pages(plan) < 1_000


def test_the_age_of_the_backlog_is_one_probe_a_lane(plans: Plans) -> None:
    plan = plans(load.measure)
    uses(plan, "owed_lane")
    assert pages(plan) < 1_000


def test_a_status_reads_a_sample_or_what_one_tenant_is_owed(plans: Plans, filled: Filled) -> None:
    some = OwedDelivery.objects.order_by("id").values_list("id", flat=True)[:20]
    OwedDelivery.objects.filter(id__in=list(some)).update(owner="acme")
    uses(plans(lambda: status(tenant="acme")), "owed_owner")
    samples.take(None)
    uses(plans(lambda: status(tenant=None)))


def test_a_publish_touches_what_it_writes_and_its_identities(plans: Plans) -> None:
    known = EventIdentity.objects.first()
    assert known is not None
    events = [
        make.event(identity=Identity(new_uuid(), new_uuid())),
        make.event(identity=Identity(known.key, known.content)),
    ]
    uses(plans(lambda: publish(events, identity_ttl=60.0)))


def test_a_record_finds_its_rows_by_their_key(plans: Plans, filled: Filled) -> None:
    owe(filled, 6)
    claims = make.claims()
    assert len(claims) == 6
    results = [
        make.result(one, Responded(200 if n % 2 else 500), schedule=[60.0])
        for n, one in enumerate(claims)
    ]
    plan = plans(lambda: record(results, worker="w"))
    uses(plan, "events_owed_pkey")


def test_a_rescue_looks_at_what_is_in_flight_only(plans: Plans, filled: Filled) -> None:
    owe(filled, 3)
    make.claims()
    OwedDelivery.objects.filter(state="in_flight").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    plan = plans(lambda: rescue(["gone"]))
    uses(plan, "owed_in_flight")
    assert pages(plan) < 1_000


def test_a_cancel_finds_its_rows_by_their_key(plans: Plans) -> None:
    some = list(OwedDelivery.objects.values_list("id", flat=True)[:5])
    plan = plans(lambda: finish(some, DeliveryState.CANCELLED, reason="x"))
    uses(plan, "events_owed_pkey")


def test_rolling_the_ledger_takes_the_oldest_by_their_key(plans: Plans, filled: Filled) -> None:
    owe(filled, 1)
    uses(plans(lambda: ledger.roll(most=100)))


@pytest.mark.parametrize(
    ("criteria", "index"),
    [
        ({}, "events_event_[0-9]+_pkey"),
        ({"type": "type.7"}, "_type_id_idx"),
        ({"source": "/none"}, "_source_id_idx"),
        ({"tenant": "acme"}, "_tenant_id_idx"),
        ({"producer_event_id": "x"}, "_producer_event_id_idx"),
    ],
)
def test_a_page_of_events_reads_its_rows_and_no_more(
    plans: Plans, criteria: dict[str, str], index: str
) -> None:
    found = Event.objects.filter(**criteria).before(None)[:50]
    plan = plans(lambda: list(found))
    uses(plan)
    assert re.search(index, plan), plan
    assert pages(plan) < 500


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"state": "dead"},
        {"state": "cancelled"},
        {"state": "pending"},
        {"owner": "acme"},
    ],
)
def test_a_page_of_deliveries_reads_its_rows_and_no_more(
    plans: Plans, criteria: dict[str, str]
) -> None:
    plan = plans(lambda: list(Delivery.objects.filter(**criteria).before(None)[:50]))
    uses(plan)
    assert pages(plan) < 500, plan


def test_a_page_of_one_subscriptions_deliveries_reads_its_rows_and_no_more(
    plans: Plans, filled: Filled
) -> None:
    for lane in (filled.lanes[0], filled.open[0]):
        page = Delivery.objects.filter(subscription=lane).before(None)[:50]
        plan = plans(lambda page=page: list(page))
        uses(plan)


def test_the_timeline_of_an_event_is_found_by_indexes(plans: Plans) -> None:
    event = Event.objects.earliest("id").id
    uses(plans(lambda: list(Delivery.objects.of_event(event))), "owed_event", "_event_id_idx")
    delivery = Delivery.objects.of_event(event)[0].id
    uses(plans(lambda: list(Attempt.objects.of_delivery(delivery))), "_delivery_id_id_idx")


def test_who_did_not_get_an_event_is_found_by_its_deliveries(plans: Plans) -> None:
    event = Event.objects.earliest("id")
    page = unmet(event, tenant=None).order_by("-id")[:39]
    plan = plans(lambda: list(page))
    uses(plan, "owed_event", "_event_id_idx")
    assert pages(plan) < 500, plan


def test_why_a_source_was_left_out_is_found_by_the_key_of_its_event(plans: Plans) -> None:
    order = Order(ReplaySource.EVENTS, Criteria(type="none"), token="x", target=new_uuid())
    job = start(order, actor=make.ACTOR)
    some = [*Event.objects.order_by("id").values_list("id", flat=True)[:500], new_uuid()]
    left = [Redelivery(one, new_uuid(), one, None) for one in some]
    plan = plans(lambda: skip(left, replay=job.id))
    uses(plan, f"{TODAY}_pkey")
    assert pages(plan) < 6_000
    reasons = ReplaySkip.objects.values_list("reason").annotate(n=Count("source"))
    assert dict(reasons.order_by()) == {"subscription_gone": 500, "event_gone": 1}


def test_a_dry_run_reads_the_open_letters_alone(plans: Plans, filled: Filled) -> None:
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(before=timezone.now()), token="x")
    uses(plans(lambda: plan(order)), "letter_open")


def test_the_lists_of_dead_letters_are_found_by_indexes(plans: Plans, filled: Filled) -> None:
    group = Signature.objects.with_open()[0]
    uses(plans(lambda: list(DeadLetter.objects.open().before(None)[:50])), "letter_open")
    uses(
        plans(lambda: list(DeadLetter.objects.open().filter(signature=group).before(None)[:50])),
        "letter_open",
    )
    uses(plans(lambda: list(Signature.objects.with_open()[:50])), "signature_open")
    narrowed = select.dead_letters(Criteria(subscription=filled.open[0]))
    uses(plans(lambda: list(narrowed.order_by("id")[:50])), "letter_open")


def test_a_key_that_is_stuck_costs_a_claim_nothing_for_its_successors(
    plans: Plans, filled: Filled
) -> None:
    Subscription.objects.exclude(id=filled.open[0]).update(types=["none"])
    Subscription.objects.filter(id=filled.open[0]).update(ordered=True)
    publish([make.event(ordering_key="k") for _ in range(3_000)], identity_ttl=60.0)
    make.recorded(Responded(500), schedule=[60.0])
    for verb in (take, lambda: due_lanes(most=8)):
        plan = plans(verb)
        uses(plan, "owed_lane", "owed_order")
        assert pages(plan) < 2_000, plan


@pytest.mark.parametrize(
    ("look", "most", "indexes"),
    [
        (recount.owed_after, 10_000, ("events_owed_pkey", "_delivery_id_id_idx")),
        (recount.finished_after, 10_000, (f"{TODAY}_pkey", "_delivery_id_id_idx")),
        (recount.ended_after, 30_000, ("_subscription_id_id_idx",)),
        (repair.deathless, 2_000, ("dlq_deadletter_pkey", "_id_idx")),
    ],
)
def test_a_slice_of_what_is_recounted_costs_its_rows_and_no_more(
    plans: Plans, filled: Filled, look: Callable[[UUID], object], most: int, indexes: tuple[str]
) -> None:
    owe(filled, 5)
    plan = plans(lambda: look(UUID(int=0)))
    uses(plan, *indexes)
    assert pages(plan) < most


REPLAYS = """
INSERT INTO dlq_replay (id, source, criteria, fresh, again, state, total, made, skipped, token,
        created_by, finished_at)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'events', '{}', false, false, 'done', 1, 1, 0, n::text,
        '', now()
    FROM generate_series(1, 5000) AS n;
ANALYZE dlq_replay;
"""


def test_a_slice_of_the_replays_costs_their_deliveries_and_no_more(plans: Plans) -> None:
    with connection.cursor() as cursor:
        cursor.execute(REPLAYS)
    plan = plans(lambda: repair.replayed_twice(UUID(int=0)))
    uses(plan, "dlq_replay_pkey", "_replay_id_id_idx")
    assert pages(plan) < 1_000
