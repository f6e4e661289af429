"""Damage that nobody but a person can mend: the reconciler finds each, and says what it is."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from dlq import replay
from dlq.models import DeadLetter, Replay
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.select import Criteria
from events import jobs, operate, recount
from events.ledger import roll
from events.models import (
    Attempt,
    Event,
    FanOut,
    FinishedDelivery,
    Lane,
    LedgerEntry,
    OwedDelivery,
    Subscription,
)
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.outcome import Responded
from events.uuids import new_uuid
from monitoring import reconcile, report
from monitoring.models import Kind
from tests import make
from tests.make import ACTOR

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(minutes=20)


@pytest.fixture(autouse=True)
def _job() -> None:
    """The job's row, as a dispatcher makes it."""
    jobs.start_due({report.JOB: 10.0})


def found() -> dict[str, list[str]]:
    """The subjects of what one run finds, by kind; none of these is mended."""
    seen = reconcile.reconcile()
    assert not any(one.mended for one in seen)
    return {one.kind: list(one.subjects) for one in seen}


def public(prefix: Prefix, one: UUID) -> str:
    return ids.encode(prefix, one)


def lived() -> Subscription:
    """A subscription with deliveries of every end, all of it lawful, and old enough to judge."""
    to = make.subscription()
    make.dead(to, 2)
    make.owed(to)
    make.recorded(Responded(200))
    make.owed(to)
    make.recorded(Responded(500), schedule=[60.0])
    operate.cancel(actor=ACTOR, delivery=make.owed(to))
    make.owed(to)
    Event.objects.update(received_at=Now() - LONG_AGO)
    assert found() == {}
    return to


def test_a_ledger_whose_ends_were_swapped_is_noticed() -> None:
    to = lived()
    LedgerEntry.objects.update(delivered=F("dead"), dead=F("delivered"))

    assert found() == {Kind.LEDGER_ENDED: [to.public_id]}


def test_a_ledger_that_was_given_to_another_tenant_is_noticed() -> None:
    to = make.subscription(tenant="acme")
    make.owed(to, tenant="acme")
    Event.objects.update(received_at=Now() - LONG_AGO)
    assert recount.wrong_tenants() == []

    LedgerEntry.objects.update(tenant="shop")

    assert {kind: sorted(found_) for kind, found_ in found().items()} == {
        Kind.TENANT_LEDGER: ["acme", "shop"]
    }


def test_rolling_keeps_the_sums_of_a_lane_whose_tenant_changed() -> None:
    to = make.subscription()
    make.owed(to, tenant="acme")
    make.owed(to, tenant="shop")
    owners = iter(("acme", "shop"))
    for row in OwedDelivery.objects.all():
        owner = next(owners)
        OwedDelivery.objects.filter(id=row.id).update(owner=owner)
    for entry, owner in zip(LedgerEntry.objects.order_by("id"), ("acme", "shop"), strict=True):
        LedgerEntry.objects.filter(pk=entry.pk).update(tenant=owner)

    roll()

    assert recount.wrong_tenants() == []
    assert LedgerEntry.objects.count() == 2


def test_a_delivery_whose_event_is_gone_is_noticed_owed_or_ended() -> None:
    lived()
    events = [OwedDelivery.objects.first(), FinishedDelivery.objects.filter(state="dead").first()]
    Event.objects.filter(id__in=[row.event for row in events if row]).delete()

    assert sorted(found()[Kind.EVENTLESS]) == sorted(
        public(Prefix.DELIVERY, row.id) for row in events if row
    )


def test_a_delivery_that_is_owed_and_finished_is_noticed() -> None:
    lived()
    row = OwedDelivery.objects.first()
    assert row is not None
    copied = {field.name: getattr(row, field.name) for field in FinishedDelivery._meta.fields[:-1]}
    FinishedDelivery.objects.create(**copied | {"state": "cancelled"}, finished_at=timezone.now())

    assert found()[Kind.OWED_AND_FINISHED] == [public(Prefix.DELIVERY, row.id)]


def test_attempts_that_are_gone_or_too_many_are_noticed() -> None:
    lived()
    retried = OwedDelivery.objects.get(attempts=1)
    delivered = FinishedDelivery.objects.get(state="delivered")
    Attempt.objects.filter(delivery=retried.id).delete()
    attempt = Attempt.objects.get(delivery=delivered.id)
    attempt.id = new_uuid()
    attempt.save(force_insert=True)

    assert set(found()[Kind.ATTEMPT_COUNT]) == {
        public(Prefix.DELIVERY, one.id) for one in (retried, delivered)
    }


def test_a_dead_letter_of_a_delivery_that_did_not_die_is_noticed() -> None:
    lived()
    letter = DeadLetter.objects.first()
    delivered = FinishedDelivery.objects.get(state="delivered")
    assert letter is not None
    DeadLetter.objects.filter(id=letter.id).update(id=delivered.id)
    FinishedDelivery.objects.filter(id=letter.id).update(state="cancelled")

    assert public(Prefix.DEAD_LETTER, delivered.id) in found()[Kind.DEATHLESS]


def test_a_breaker_that_waits_for_a_dead_probe_is_noticed() -> None:
    to = lived()
    OwedDelivery.objects.update(due_at=Now() - LONG_AGO)
    Lane.objects.update(state="half_open", probe_until=Now() - LONG_AGO)

    assert found() == {Kind.STUCK_PROBE: [to.public_id]}


def test_a_fan_out_that_nobody_finishes_is_noticed() -> None:
    event = make.published(make.event())[0]
    Event.objects.update(matched=1)
    FanOut.objects.create(event=event, remaining=[new_uuid()])
    Event.objects.update(received_at=Now() - LONG_AGO)
    assert found() == {}

    FanOut.objects.update(created_at=Now() - LONG_AGO)
    assert found() == {Kind.STUCK_FAN_OUT: [public(Prefix.EVENT, event)]}


def test_a_source_that_was_replayed_twice_is_noticed() -> None:
    to = lived()
    job = replay.start(
        Order(ReplaySource.DEAD_LETTERS, Criteria(subscription=to.id), token="t"), actor=ACTOR
    )
    while Replay.objects.running().exists():
        replay.step(job.pk)
    made = OwedDelivery.objects.filter(replay=job.pk).first()
    assert made is not None
    copied = {field.name: getattr(made, field.name) for field in FinishedDelivery._meta.fields[:-1]}
    FinishedDelivery.objects.create(
        **copied | {"id": new_uuid(), "state": "cancelled"}, finished_at=timezone.now()
    )

    assert found()[Kind.REPLAYED_TWICE] == [public(Prefix.REPLAY, job.pk)]


def test_what_nobody_mends_stands_and_what_is_mended_is_forgotten() -> None:
    to = lived()
    LedgerEntry.objects.update(delivered=F("dead"), dead=F("delivered"))
    assert [Kind.LEDGER_ENDED in found() for _ in range(3)] == [True] * 3

    LedgerEntry.objects.update(delivered=F("dead"), dead=F("delivered"))
    found()
    found()
    assert found() == {}
    assert to.public_id


def test_a_lane_with_more_than_is_counted_is_left_to_the_audit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lived()
    LedgerEntry.objects.update(delivered=F("dead"), dead=F("delivered"))
    monkeypatch.setattr(recount, "COUNTED", 1)

    assert found() == {}
