"""Verbs that meet: eight connections at the same moment, and the laws afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from dlq.models import DeadLetter, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start, step
from dlq.select import Criteria
from dlq.settle import discard, restore
from events import ledger, operate, people
from events.engine.record import record
from events.engine.rescue import rescue_all
from events.models import Attempt, AuditEntry, Lane, OwedDelivery, Secret, Subscription
from events.operate import WrongState
from events.roles import Role, role_of
from events.rules.outcome import Responded
from tests import make, pages
from tests.faults import together

pytestmark = pytest.mark.usefixtures("lawful")

Work = Callable[[], object]


def race(works: Iterable[Work]) -> list[object]:
    return together(list(works))


def test_a_publish_meets_the_deletion_of_its_subscription() -> None:
    to = make.subscription()

    def publish() -> None:
        for _ in range(5):
            make.published(make.event())

    race([*[publish] * 7, lambda: operate.delete_subscription(actor="a", subscription=to.id)])
    # A publish that began before the deletion may have committed after its sweep.
    operate.delete_subscription(actor="a", subscription=to.id)
    assert OwedDelivery.objects.count() == 0


def test_admins_who_demote_or_shut_out_each_other_leave_one() -> None:
    for number in range(10):
        a, b = (pages.person(Role.ADMIN, f"{name}{number}") for name in "ab")

        def demote(person: int) -> None:
            with suppress(WrongState):
                people.change_role(actor="user:x", person=person, role=Role.VIEWER)

        def shut_out(person: int) -> None:
            with suppress(WrongState):
                people.deactivate(actor="user:x", person=person)

        race([partial(demote, a.pk), partial(shut_out, b.pk), partial(demote, b.pk)])
        admins = [one for one in User.objects.all() if role_of(one) is Role.ADMIN]
        assert len(admins) == 1
        User.objects.all().delete()


def test_nothing_is_claimed_after_a_pause_was_answered() -> None:
    to = make.subscription(max_concurrency=1_000)
    make.backlog(to, 100)
    paused: list[object] = []

    def claim() -> list[bool]:
        found = []
        for _ in range(10):
            before = bool(paused)
            found.append(before and bool(make.claims(want=5)))
        return found

    def pause() -> list[bool]:
        operate.pause(actor="a", subscription=to.id)
        paused.append(True)
        return []

    late = race([*[claim] * 7, pause])
    assert not any(one for found in late for one in found)  # type: ignore[attr-defined]
    assert make.claims() == []


def test_a_verdict_meets_a_cancel_and_one_of_them_counts() -> None:
    to = make.subscription(max_concurrency=1_000)
    made = make.backlog(to, 40)
    results = [make.result(one) for one in make.claims()]

    def cancel(deliveries: list[object]) -> int:
        won = 0
        for one in deliveries:
            with suppress(WrongState):
                operate.cancel(actor="a", delivery=one)  # type: ignore[arg-type]
                won += 1
        return won

    halves = [made[n::4] for n in range(4)]
    won = race(
        [
            *[lambda part=part: cancel(part) for part in halves],
            *[lambda n=n: record(results[n::4], worker="w") for n in range(4)],
        ]
    )
    cancelled = sum(one for one in won if isinstance(one, int))
    assert Attempt.objects.filter(late=True).count() == cancelled
    assert AuditEntry.objects.filter(action="cancel").count() == cancelled
    assert OwedDelivery.objects.count() == 0


def test_a_deletion_meets_the_verdicts_of_its_lane_without_a_deadlock() -> None:
    to = make.subscription(max_concurrency=1_000)
    make.backlog(to, 400)
    results = [make.result(one) for one in make.claims()]
    random.Random(1).shuffle(results)
    race(
        [
            *[lambda n=n: record(results[n::4], worker="w") for n in range(4)],
            *[lambda: operate.delete_subscription(actor="a", subscription=to.id)] * 4,
        ]
    )
    assert OwedDelivery.objects.count() == 0


def test_two_workers_record_the_same_delivery_and_the_owner_wins() -> None:
    make.backlog(make.subscription(max_concurrency=100), 20)
    old = make.claims()
    OwedDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    rescue_all()
    new = make.claims(worker="two")
    race(
        [
            lambda: record([make.result(one, Responded(500)) for one in old], worker="one"),
            lambda: record([make.result(one) for one in new], worker="two"),
        ]
    )
    assert DeadLetter.objects.count() == 0
    assert Attempt.objects.filter(late=True, worker="one").count() == 20


def test_a_replay_meets_a_discard_and_each_letter_goes_one_way() -> None:
    make.dead(make.subscription(max_concurrency=100), 40)
    order = Order(source=ReplaySource.DEAD_LETTERS, criteria=Criteria(), token="t")
    job = start(order, actor="a")

    def replay() -> None:
        while step(job.id):
            """Until there is no more to do now."""

    race([replay, lambda: discard(Criteria(), actor="a"), replay])
    assert DeadLetter.objects.open().count() == 0
    replayed = DeadLetter.objects.filter(state="replayed").count()
    assert OwedDelivery.objects.count() == replayed


def test_steering_at_once_leaves_one_state_and_an_entry_for_each_act() -> None:
    to = make.subscription()
    verbs: list[Work] = [
        lambda: operate.pause(actor="a", subscription=to.id),
        lambda: operate.resume(actor="a", subscription=to.id),
        lambda: operate.enable(actor="a", subscription=to.id),
        lambda: operate.change_subscription(
            actor="a", subscription=to.id, fields={"max_concurrency": 3}
        ),
    ]
    before = AuditEntry.objects.count()
    race(verbs * 2)
    assert AuditEntry.objects.count() == before + 8
    assert Subscription.objects.get().max_concurrency == 3


def test_two_workers_that_hear_410_disable_its_subscription_once() -> None:
    lanes = [make.subscription(max_concurrency=100) for _ in range(3)]
    for _ in range(8):
        make.published(make.event())
    claims = make.claims()
    race(
        lambda n=n: record([make.result(one, Responded(410)) for one in claims[n::4]], worker="w")
        for n in range(4)
    )
    assert Subscription.objects.filter(state="disabled").count() == len(lanes)
    assert AuditEntry.objects.filter(action="disable").count() == len(lanes)


def test_rotations_at_once_leave_one_secret_without_an_end() -> None:
    to = make.subscription()
    race([lambda: operate.rotate_secret(actor="a", subscription=to.id, secret=make.SECRET)] * 8)
    assert Secret.objects.filter(expires_at=None).count() == 1
    assert Secret.objects.count() == 9


def test_breakers_advance_and_are_steered_without_a_deadlock() -> None:
    lanes = [make.subscription(max_concurrency=1_000) for _ in range(4)]
    for _ in range(40):
        make.published(make.event())
    claims = make.claims()

    def work(number: int) -> Work:
        mine = claims[number::6][:: -1 if number % 2 else 1]
        return lambda: [
            record([make.result(one, Responded(500), schedule=[9.0]) for one in part], worker="w")
            for part in (mine[:9], mine[9:])
        ]

    def steer() -> None:
        for lane in lanes:
            operate.open_breaker(actor="a", subscription=lane.id, seconds=60)
            operate.enable(actor="a", subscription=lane.id)

    race([*[work(n) for n in range(6)], steer, steer])
    assert Lane.objects.count() == 4
    assert set(OwedDelivery.objects.values_list("attempts", flat=True)) == {1}


# What is pending is due, and what is in flight was too long so; without waiting for anybody.
AGE = """
UPDATE events_owed SET due_at = now(), lease_until = now() - (lease_until - lease_until)
WHERE id IN (SELECT id FROM events_owed LIMIT 50 FOR UPDATE SKIP LOCKED)
"""


def age() -> None:
    with connection.cursor() as cursor:
        cursor.execute(AGE)


def _publish(_: random.Random) -> None:
    make.published(*(make.event(ordering_key="k") for _ in range(3)))


def _deliver(dice: random.Random) -> None:
    claims = make.claims(want=20)
    statuses = [dice.choice((200, 200, 500, 429)) for _ in claims]
    pairs = zip(claims, statuses, strict=True)
    record([make.result(c, Responded(s), schedule=[60.0]) for c, s in pairs], worker="w")


def _abandon(_: random.Random) -> None:
    make.claims(want=3)
    age()
    rescue_all()


def _steer(dice: random.Random) -> None:
    lane = dice.choice(Subscription.objects.values_list("id", flat=True))
    dice.choice((operate.pause, operate.enable, operate.close_breaker))(
        actor="a", subscription=lane
    )


def _settle(dice: random.Random) -> None:
    dice.choice((discard, restore))(Criteria(), actor="a")


def _replay(dice: random.Random) -> None:
    token = str(dice.random())
    order = Order(source=ReplaySource.DEAD_LETTERS, criteria=Criteria(), token=token)
    step(start(order, actor="a").id)


def _roll(_: random.Random) -> None:
    ledger.roll(most=10)


ACTS = (_publish, _publish, _deliver, _deliver, _deliver, _abandon, _steer, _settle, _replay, _roll)


def test_everything_at_once_keeps_every_law() -> None:
    """Seeded: eight threads do random things; nothing deadlocks, and nothing is lost."""
    for number in range(4):
        make.subscription(max_concurrency=1_000, ordered=number == 0, schedule=[60.0])

    def work(seed: int) -> Work:
        dice = random.Random(seed)
        return lambda: [dice.choice(ACTS)(dice) for _ in range(25)]

    race([work(seed) for seed in range(8)])
    assert Signature.objects.filter(open__lt=0).count() == 0
