"""Damage that the schema allows: found, mended where that is safe, and reported."""

from __future__ import annotations

from datetime import date, timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from dlq.models import DeadLetter, Signature
from events import jobs, operate, probe
from events.engine import retention
from events.models import (
    Delivery,
    Epoch,
    Event,
    FanOut,
    FinishedDelivery,
    Lane,
    LedgerEntry,
    OwedDelivery,
    Subscription,
)
from events.rules import ids
from events.rules.outcome import Responded
from events.uuids import new_uuid
from monitoring import findings, reconcile, report, samples
from monitoring.models import Drill, Finding, Kind
from tests import laws, make
from tests.clean import clean_database
from tests.make import ACTOR

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(minutes=10)


@pytest.fixture(autouse=True)
def _job() -> None:
    """The job's row, as a dispatcher makes it."""
    jobs.start_due({report.JOB: 10.0})


def found() -> dict[str, tuple[list[str], bool]]:
    """What one run finds, by kind: the subjects, and whether they were mended."""
    return {one.kind: (list(one.subjects), one.mended) for one in reconcile.reconcile()}


def settled() -> None:
    """Makes every event old enough to be judged."""
    Event.objects.update(received_at=Now() - LONG_AGO)


def standing() -> dict[str, str]:
    """The words of the findings that stand, by kind."""
    samples.take(None)
    findings.judge()
    return dict(Finding.objects.standing().values_list("kind", "words"))


def audited() -> tuple[int, str]:
    """The exit code and the output of manage.py audit."""
    out, code = StringIO(), 0
    try:
        call_command("audit", stdout=out, stderr=StringIO())
    except SystemExit as ended:
        code = int(ended.code)
    return code, out.getvalue()


def public(prefix: ids.Prefix, one: UUID) -> str:
    return ids.encode(prefix, one)


def lived() -> Subscription:
    """A subscription with deliveries of every end, all of it lawful."""
    to = make.subscription()
    make.dead(to, 2)
    make.owed(to)
    make.recorded(Responded(200))
    operate.cancel(actor=ACTOR, delivery=make.owed(to))
    make.owed(to)
    settled()
    return to


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    lived()

    assert found() == {}
    assert standing() == {}
    assert audited()[0] == 0


def test_a_lost_delivery_shows_in_the_ledger_and_as_a_broken_promise() -> None:
    to = make.subscription()
    lost = make.owed(to)
    event = OwedDelivery.objects.get(id=lost).event
    settled()
    OwedDelivery.objects.filter(id=lost).delete()

    assert found() == {
        Kind.UNACCOUNTED: ([to.public_id], False),
        Kind.BROKEN_PROMISE: ([public(ids.Prefix.EVENT, event)], False),
    }
    assert "cannot be mended" in standing()[Kind.BROKEN_PROMISE]
    assert "BROKEN  every match has its delivery" in audited()[1]


def test_a_broken_promise_stands_for_as_long_as_it_is_broken() -> None:
    to = make.subscription()
    lost = make.owed(to)
    settled()
    row = OwedDelivery.objects.get(id=lost)
    OwedDelivery.objects.filter(id=lost).delete()

    assert [Kind.BROKEN_PROMISE in found() for _ in range(4)] == [True] * 4

    row.save(force_insert=True)
    found()
    found()
    assert Kind.BROKEN_PROMISE not in found()


def test_a_delivery_too_many_breaks_the_promise() -> None:
    to = make.subscription()
    row = OwedDelivery.objects.get(id=make.owed(to))
    settled()
    make.recorded(Responded(200))
    row.save(force_insert=True)

    assert set(found()) == {
        Kind.UNACCOUNTED,
        Kind.BROKEN_PROMISE,
        Kind.OWED_AND_FINISHED,
        Kind.ATTEMPT_COUNT,
    }
    assert "BROKEN  a delivery is owed or finished, not both" in audited()[1]


def test_history_that_is_gone_breaks_the_promise() -> None:
    make.dead(make.subscription())
    settled()
    FinishedDelivery.objects.all().delete()

    assert set(found()) == {Kind.BROKEN_PROMISE, Kind.LEDGER_ENDED, Kind.DEATHLESS}
    assert "BROKEN  the ledger is the truth about what ended" in audited()[1]


def test_a_fan_out_that_is_gone_breaks_the_promise() -> None:
    event = make.published(make.event())[0]
    Event.objects.filter(id=event).update(matched=2)
    FanOut.objects.create(event=event, remaining=[new_uuid(), new_uuid()])
    settled()
    assert found() == {}

    FanOut.objects.all().delete()
    assert set(found()) == {Kind.BROKEN_PROMISE}


def test_a_ledger_that_was_touched_is_noticed() -> None:
    to = lived()
    LedgerEntry.objects.filter(subscription=to.id, created__gt=0).update(created=F("created") + 1)

    assert found() == {Kind.UNACCOUNTED: ([to.public_id], False)}


def test_the_ledger_of_a_lane_that_is_gone_is_noticed() -> None:
    to = lived()
    LedgerEntry.objects.all().delete()

    assert found() == {Kind.UNACCOUNTED: ([to.public_id], False)}


def test_a_lost_dead_letter_is_buried_again() -> None:
    [dead] = make.dead(make.subscription())
    settled()
    DeadLetter.objects.all().delete()

    seen = found()

    assert seen[Kind.UNBURIED] == ([public(ids.Prefix.DEAD_LETTER, dead)], True)
    assert DeadLetter.objects.get().id == dead
    assert "was mended" in standing()[Kind.UNBURIED]
    laws.hold()


def test_a_wrong_count_of_a_group_is_corrected() -> None:
    make.dead(make.subscription(), 3)
    settled()
    Signature.objects.update(total=9, open=7)

    assert found()[Kind.GROUP_COUNT][1]
    assert Signature.objects.values_list("total", "open").get() == (3, 3)


def test_a_lane_that_is_gone_is_made_again() -> None:
    to = make.subscription()
    delivery = make.owed(to)
    settled()
    Lane.objects.all().delete()
    assert make.claims() == []

    assert found() == {Kind.MISSING_LANE: ([to.public_id], True)}
    assert [claim.delivery for claim in make.claims()] == [delivery]


def test_what_is_owed_to_a_deleted_subscription_is_cancelled() -> None:
    to = make.subscription()
    delivery = make.owed(to)
    settled()
    Subscription.objects.update(deleted_at=Now())

    assert found() == {Kind.ORPHAN: ([public(ids.Prefix.DELIVERY, delivery)], True)}
    assert make.delivery(delivery).state == "cancelled"
    laws.hold()


def test_what_is_owed_to_a_subscription_without_a_row_is_cancelled() -> None:
    to = make.subscription()
    delivery = make.owed(to)
    settled()
    Subscription.objects.all().delete()

    assert found() == {Kind.ORPHAN: ([public(ids.Prefix.DELIVERY, delivery)], True)}
    laws.hold()


def test_a_lease_that_was_left_is_freed() -> None:
    delivery = make.owed(make.subscription())
    settled()
    make.claims()
    OwedDelivery.objects.update(lease_until=Now() - LONG_AGO)
    assert "BROKEN  no lease outlives its worker" in audited()[1]

    assert found() == {Kind.STUCK_LEASE: ([public(ids.Prefix.DELIVERY, delivery)], True)}
    assert make.delivery(delivery).state == "pending"


def test_a_test_that_nobody_sent_is_cancelled() -> None:
    delivery = probe.send_test(make.subscription().id, actor=ACTOR)
    settled()
    OwedDelivery.objects.update(created_at=Now() - LONG_AGO)

    assert found() == {Kind.OLD_TEST: ([public(ids.Prefix.DELIVERY, delivery)], True)}
    laws.hold()


def test_rows_of_a_day_without_a_partition_are_reported() -> None:
    day = date(2020, 2, 3)
    make.published(make.event(id=ids.span(day)[0]))
    assert found() == {Kind.MISSING_PARTITION: (["events_event"], False)}
    assert "BROKEN  every row is in the partition of its day" in audited()[1]

    try:
        retention.make_partitions(day)
        assert found() == {}
    finally:
        for n in range(retention.AHEAD + 1):
            clean_database()
            retention.drop_day(day + timedelta(days=n))


def test_an_epoch_that_is_gone_is_made_again() -> None:
    to = make.subscription()
    make.owed(to)
    settled()
    Epoch.objects.all().delete()

    assert found()[Kind.MISSING_EPOCH][1]
    make.owed(to)
    assert Delivery.objects.count() == 2


def test_an_event_that_is_gone_is_told_by_the_audit() -> None:
    make.owed(make.subscription())
    Event.objects.all().delete()

    code, said = audited()

    assert code == 1
    assert "BROKEN  every delivery has its event: 1" in said


def test_a_run_goes_on_where_the_last_one_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    to = make.subscription()
    make.dead(to, 3)
    settled()
    DeadLetter.objects.all().delete()
    monkeypatch.setattr("events.repair.AT_ONCE", 1)
    monkeypatch.setattr(reconcile, "BUDGET", 0.0)

    runs = [len(found().get(Kind.UNBURIED, ([], True))[0]) for _ in range(4)]

    assert sum(runs) <= 3
    assert DeadLetter.objects.count() == sum(runs)


def test_a_run_costs_the_same_however_much_is_owed() -> None:
    to = make.subscription()
    make.backlog(to, 5)
    settled()
    found()

    with connection.execute_wrapper(counted := Counted()):
        few = (found(), counted.calls)[1]
    make.backlog(to, 500)
    settled()
    with connection.execute_wrapper(counted := Counted()):
        found()
    assert counted.calls == few


def test_what_was_mended_is_told_for_a_while_only() -> None:
    make.dead(make.subscription(), 3)
    settled()
    Signature.objects.update(total=9, open=7)
    found()
    assert found() == {}
    assert Kind.GROUP_COUNT in standing()

    state = jobs.state_of(report.JOB)
    state["report"] = [one | {"at": "2020-01-01T00:00:00+00:00"} for one in state["report"]]
    jobs.remember(report.JOB, state)
    found()
    assert standing() == {}


def test_a_failed_or_forgotten_drill_is_a_finding() -> None:
    def drilled(name: str, *, held: bool, ago: timedelta) -> None:
        row = Drill.objects.create(
            name=name, expected="x", seen="nothing came", held=held, seconds=1.0, by="test"
        )
        Drill.objects.filter(pk=row.pk).update(started_at=Now() - ago)

    drilled("publish and deliver", held=False, ago=timedelta(days=1))
    drilled("publish and deliver", held=True, ago=timedelta(hours=1))
    assert standing() == {}

    drilled("publish and deliver", held=False, ago=timedelta(minutes=1))
    drilled("breaker", held=True, ago=timedelta(days=8))
    drilled("one that is no more", held=False, ago=timedelta(days=1))

    standing()
    words = set(Finding.objects.standing().values_list("words", flat=True))
    assert words == {
        "The drill “publish and deliver” failed: nothing came.",
        "The drill “breaker” was not run for 8 days.",
    }


class Counted:
    """Counts statements."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, execute: object, *rest: object) -> object:
        self.calls += 1
        return execute(*rest)
