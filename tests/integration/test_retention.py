"""Retention: days are made ahead, dropped whole, and never while something needs them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from dlq.models import DeadLetter
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import cancel, start
from dlq.select import Criteria
from events import jobs, ledger, operate
from events.engine.record import record
from events.engine.retention import (
    AHEAD,
    JOB,
    TABLES,
    days_of,
    drop_day,
    make_partitions,
    retain,
    retain_and_tell,
    stray_rows,
)
from events.models import Attempt, Event, EventIdentity, FinishedDelivery, LedgerEntry, OwedDelivery
from events.publish import Identity, publish
from events.rules import ids
from events.uuids import new_uuid
from monitoring import findings
from monitoring.models import Finding
from tests import laws, make
from tests.clean import clean_database
from tests.faults import together

pytestmark = pytest.mark.usefixtures("lawful")


def today() -> date:
    return timezone.now().astimezone(UTC).date()


@pytest.fixture
def old(transactional_db: None) -> Iterator[date]:
    """A day that retention should drop, with its partitions."""
    day = today() - timedelta(days=settings.REDRIVE_RETENTION_DAYS + 5)
    with connection.cursor() as cursor:
        for table in TABLES:
            low, high = ids.span(day)
            cursor.execute(
                f"CREATE TABLE {table}_{day:%Y%m%d} PARTITION OF {table} "
                f"FOR VALUES FROM ('{low}') TO ('{high}')"
            )
    yield day
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DROP TABLE IF EXISTS {table}_{day:%Y%m%d}")


def id_in(day: date) -> UUID:
    """An id as it would have been made on that day."""
    return ids.first_at(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def test_partitions_reach_a_week_ahead() -> None:
    for table in TABLES:
        days = days_of(table)
        assert {today() + timedelta(days=n) for n in range(AHEAD + 1)} <= set(days)


def test_making_partitions_again_or_at_once_makes_nothing_twice() -> None:
    before = {table: sorted(days_of(table)) for table in TABLES}
    together([lambda: make_partitions(today())] * 4)
    assert {table: sorted(days_of(table)) for table in TABLES} == before


def test_rows_go_to_the_partition_of_their_day() -> None:
    make.owed(make.subscription())
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM events_event")
        assert cursor.fetchone()[0] == f"events_event_{today():%Y%m%d}"
    assert stray_rows() == []


def test_an_old_day_is_dropped_whole(old: date) -> None:
    make.published(make.event(id=id_in(old)))
    assert retain() == []
    assert old not in days_of("events_event")
    assert Event.objects.count() == 0


def test_a_day_that_is_still_needed_waits_and_is_reported(old: date) -> None:
    to = make.subscription()
    delivery = make.owed(to, id=id_in(old))
    assert retain() == [old]
    assert Event.objects.count() == 1
    [claimed] = make.claims()
    record([make.result(claimed)], worker="w")
    assert FinishedDelivery.objects.get().id == delivery
    assert retain() == []
    assert old not in days_of("events_event")
    # The delivery is of today, so it outlives its event: a history, no promise.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_finished")
        cursor.execute("DELETE FROM events_ledgerentry")


def test_an_old_day_waits_for_a_running_replay(old: date) -> None:
    order = Order(ReplaySource.EVENTS, Criteria(), token="t", target=make.subscription().id)
    running = start(order, actor="test")
    assert not drop_day(old)
    assert old in days_of("events_event")
    cancel(running.id, actor="test")
    assert drop_day(old)


def test_a_day_that_waits_is_a_finding_until_it_is_dropped(old: date) -> None:
    order = Order(ReplaySource.EVENTS, Criteria(), token="t", target=make.subscription().id)
    running = start(order, actor="test")
    jobs.start_due({JOB: 0.0})
    retain_and_tell()
    findings.judge()
    found = Finding.objects.standing().get(kind="retention")
    assert old.isoformat() in found.words
    cancel(running.id, actor="test")
    retain_and_tell()
    findings.judge()
    assert not Finding.objects.standing().filter(kind="retention").exists()


def test_a_kept_day_is_not_dropped() -> None:
    make.published(make.event())
    assert retain() == []
    assert Event.objects.count() == 1


def test_a_row_without_a_partition_is_found_and_moved_when_its_day_is_made() -> None:
    day = today() + timedelta(days=60)
    make.subscription()
    make.published(make.event(id=id_in(day)))
    assert stray_rows() == ["events_event"]
    try:
        make_partitions(day)
        assert stray_rows() == []
        with connection.cursor() as cursor:
            cursor.execute("SELECT tableoid::regclass::text FROM events_event")
            assert cursor.fetchone()[0] == f"events_event_{day:%Y%m%d}"
        assert OwedDelivery.objects.count() == 1
    finally:
        with connection.cursor() as cursor:
            for table in TABLES:
                for n in range(AHEAD + 1):
                    cursor.execute(f"DROP TABLE {table}_{day + timedelta(days=n):%Y%m%d}")
            cursor.execute("DELETE FROM events_owed")
            cursor.execute("DELETE FROM events_ledgerentry")


def test_a_made_partition_has_the_checks_and_indexes_of_its_table() -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(
                "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass), "
                "(SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass)",
                [table, f"{table}_{today():%Y%m%d}"],
            )
            parent, made = cursor.fetchone()
            assert made == parent


def test_expired_identities_are_forgotten() -> None:
    kept, over = (Identity(new_uuid(), new_uuid()) for _ in range(2))
    publish([make.event(identity=kept)], identity_ttl=60.0)
    publish([make.event(identity=over)], identity_ttl=-1.0)
    retain()
    assert EventIdentity.objects.get().key == kept.key


def test_dropping_a_day_keeps_dead_letters_and_forgets_attempts(old: date) -> None:
    make.dead(make.subscription())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_attempt SET id = %s", [id_in(old)])
    assert drop_day(old)
    assert Attempt.objects.count() == 0
    assert DeadLetter.objects.count() == 1


def test_rolling_the_ledger_keeps_every_sum() -> None:
    to = [make.subscription() for _ in range(3)]
    for _ in range(5):
        make.published(make.event())
        record([make.result(one) for one in make.claims(want=4)], worker="w")
    before = sum(LedgerEntry.objects.values_list("delivered", flat=True))
    together([ledger.roll] * 4)
    laws.hold()
    ledger.roll()
    assert LedgerEntry.objects.count() == len(to)
    assert sum(LedgerEntry.objects.values_list("delivered", flat=True)) == before


def test_what_a_paused_subscription_is_owed_expires_after_the_retention_and_not_before(
    old: date,
) -> None:
    to = make.subscription()
    kept = make.owed(to)
    expired = make.owed(to, id=id_in(old))
    operate.pause(actor="test", subscription=to.id)
    assert retain() == []
    assert old not in days_of("events_event")
    assert make.delivery(kept).state == "pending"
    letter = DeadLetter.objects.get()
    assert letter.id == expired
    assert letter.reason.startswith("expired")
    # The dead letter has outlived its event: a history, no promise.
    clean_database()
