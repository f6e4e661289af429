"""Every verb dies before each of its exchanges with Postgres, and right after each of its commits.

What is left keeps the laws, and the same verb, run again as its caller would, comes to the same
end as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from dlq import clear, settle
from dlq.models import DeadLetter, LetterJob, Replay, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import cancel, start, step
from dlq.select import Criteria
from dlq.settle import discard, restore
from events import ledger, operate
from events.engine import fanout
from events.engine.record import record
from events.engine.rescue import STRIKES, give_back, rescue, strike
from events.engine.retention import days_of, make_partitions, retain
from events.models import (
    Attempt,
    AuditEntry,
    Event,
    FanOut,
    FinishedDelivery,
    Lane,
    LedgerEntry,
    OwedDelivery,
    Secret,
    Subscription,
)
from events.operate import WrongState
from events.publish import Identity, publish
from events.rules.outcome import Responded
from events.uuids import new_uuid
from tests import make
from tests.faults import at_every_statement

pytestmark = [
    pytest.mark.usefixtures("transactional_db"),
    # Django drops the cursor of `iterator()` unclosed when its session is gone.
    pytest.mark.filterwarnings("ignore:.*ServerSideCursor:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*ServerSideCursor:ResourceWarning"),
]

Verb = Callable[[], object]


def identities(many: int) -> list[Identity]:
    return [Identity(new_uuid(), new_uuid()) for _ in range(many)]


def test_publish() -> None:
    def prepare() -> Verb:
        make.subscription()
        make.subscription(filter="data.n == 2")
        known = identities(3)
        # A client that tries again says the same; this process gives its events new ids.
        return lambda: publish([make.event(identity=i) for i in known], identity_ttl=60.0)

    def end() -> None:
        assert Event.objects.count() == OwedDelivery.objects.count() == 3

    assert at_every_statement(prepare, end) >= 3


def test_publish_of_a_guarded_batch() -> None:
    def prepare() -> Verb:
        make.subscription()
        guard, *known = identities(3)
        return lambda: publish(
            [make.event(identity=i) for i in known], identity_ttl=60.0, guard=guard
        )

    def end() -> None:
        assert Event.objects.count() == OwedDelivery.objects.count() == 2

    assert at_every_statement(prepare, end) >= 3


def test_claim() -> None:
    def prepare() -> Verb:
        make.backlog(make.subscription(rate_limit=10.0), 3)

        def verb() -> None:
            # What a dead worker had claimed is rescued, and the lane's tokens come back with time.
            OwedDelivery.objects.filter(state="in_flight").update(lease_until=timezone.now())
            rescue([])
            Lane.objects.update(tokens=4.0)
            make.claims()

        return verb

    def end() -> None:
        assert OwedDelivery.objects.filter(state="in_flight", attempts=0).count() == 3

    assert at_every_statement(prepare, end) >= 3


def test_record() -> None:
    def prepare() -> Verb:
        lanes = [make.subscription() for _ in range(4)]
        make.published(make.event())
        by_lane = {claimed.subscription: claimed for claimed in make.claims()}
        statuses = zip(lanes, (200, 500, 503, 410), strict=True)
        results = [
            make.result(
                by_lane[lane.id], Responded(status), schedule=[60.0] if status == 503 else []
            )
            for lane, status in statuses
        ]
        # The same attempt is not recorded twice: a worker that hears nothing leaves it to rescue.
        return lambda: Attempt.objects.exists() or record(results, worker="w")

    def end() -> None:
        states = FinishedDelivery.objects.order_by("state").values_list("state", flat=True)
        assert list(states) == ["dead", "dead", "delivered"]
        assert OwedDelivery.objects.get().attempts == 1
        assert DeadLetter.objects.count() == Signature.objects.count() == 2
        assert Attempt.objects.count() == 4
        assert Subscription.objects.filter(state="disabled").count() == 1
        assert Lane.objects.filter(failures=1).count() == 3

    assert at_every_statement(prepare, end) >= 3


def test_a_record_that_a_worker_tries_again_counts_once() -> None:
    """The answer was lost after the commit: the second try is late, and no verdict is doubled."""

    def prepare() -> Verb:
        make.backlog(make.subscription(), 2)
        claims = make.claims()
        return lambda: record(
            [make.result(one, Responded(500), schedule=[60.0]) for one in claims], worker="w"
        )

    def end() -> None:
        assert set(OwedDelivery.objects.values_list("attempts", "state")) == {(1, "pending")}
        assert Attempt.objects.filter(late=False).count() == 2
        assert Lane.objects.get().failures == 2

    assert at_every_statement(prepare, end) >= 3


def test_rescue_and_give_back() -> None:
    def prepare() -> Verb:
        make.backlog(make.subscription(), 4)
        mine, *others = make.claims()
        ids = [one.delivery for one in others]
        OwedDelivery.objects.filter(id__in=ids).update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )

        def verb() -> None:
            give_back(mine)
            rescue([])

        return verb

    def end() -> None:
        assert OwedDelivery.objects.filter(state="pending", lease=None, attempts=0).count() == 4

    assert at_every_statement(prepare, end) >= 3


def test_the_strike_that_buries() -> None:
    def prepare() -> Verb:
        make.owed(make.subscription())
        OwedDelivery.objects.update(strikes=STRIKES - 1)
        [claimed] = make.claims()
        return lambda: strike(claimed, words="x")

    def end() -> None:
        assert DeadLetter.objects.get().reason == "poison: x"
        assert OwedDelivery.objects.count() == 0

    assert at_every_statement(prepare, end) >= 3


def test_expand() -> None:
    def prepare() -> Verb:
        ids = sorted(make.subscription().id for _ in range(3))
        [event] = make.published(make.event())
        # As a publish with very many matches leaves it; tests/…/test_fanout.py makes real ones.
        OwedDelivery.objects.all().delete()
        LedgerEntry.objects.all().delete()
        FanOut.objects.create(event=event, remaining=ids)
        return fanout.expand_all

    def end() -> None:
        assert FanOut.objects.count() == 0
        assert OwedDelivery.objects.values("subscription").distinct().count() == 3

    assert at_every_statement(prepare, end) >= 3


@pytest.mark.parametrize("source", list(ReplaySource))
def test_replay(source: ReplaySource) -> None:
    def prepare() -> Verb:
        to = make.subscription()
        make.dead(to, 3)

        def verb() -> None:
            order = Order(source=source, criteria=Criteria(), token="t", target=to.id)
            job = start(order, actor=make.ACTOR)
            while step(job.id):
                """Until there is no more to do now."""

        return verb

    def end() -> None:
        job = Replay.objects.get()
        assert (job.state, job.total, job.made, job.skipped) == ("done", 3, 3, 0)
        assert OwedDelivery.objects.filter(replay=job.id).count() == 3
        assert AuditEntry.objects.filter(action="replay").count() == 1
        if source is ReplaySource.DEAD_LETTERS:
            assert Signature.objects.get().open == 0

    assert at_every_statement(prepare, end) >= 3


def test_discard_restore_and_cancel() -> None:
    def prepare() -> Verb:
        make.dead(make.subscription(), 3)
        order = Order(source=ReplaySource.DEAD_LETTERS, criteria=Criteria(), token="t")
        job = start(order, actor=make.ACTOR)

        def verb() -> None:
            cancel(job.id, actor=make.ACTOR)
            discard(Criteria(), actor=make.ACTOR)
            restore(Criteria(), actor=make.ACTOR)

        return verb

    def end() -> None:
        assert Signature.objects.get().open == DeadLetter.objects.open().count() == 3
        assert Replay.objects.get().state == "cancelled"
        assert OwedDelivery.objects.count() == 0

    assert at_every_statement(prepare, end) >= 3


def test_a_discard_of_any_size_and_its_undo() -> None:
    def prepare() -> Verb:
        make.dead(make.subscription(), 3)

        def verb() -> None:
            clear.run_all()
            job = LetterJob.objects.filter(verb="discard").order_by("id").first()
            done = job or clear.discard(Criteria(), actor=make.ACTOR)
            clear.run_all()
            if not LetterJob.objects.filter(verb="restore").exists():
                clear.restore(Criteria(), actor=make.ACTOR, moment=done.moment)
            clear.run_all()

        return verb

    def end() -> None:
        jobs = LetterJob.objects.order_by("id").values_list("verb", "state", "moved", "total")
        assert list(jobs) == [("discard", "done", 3, 3), ("restore", "done", 3, 3)]
        assert Signature.objects.get().open == DeadLetter.objects.open().count() == 3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settle, "AT_ONCE", 2)
        assert at_every_statement(prepare, end) >= 20


def test_a_letter_job_that_is_stopped() -> None:
    def prepare() -> Verb:
        make.dead(make.subscription(), 5)
        job = clear.discard(Criteria(), actor=make.ACTOR)
        return lambda: clear.cancel(job.id, actor=make.ACTOR)

    def end() -> None:
        job = LetterJob.objects.get()
        assert (job.state, job.moved, DeadLetter.objects.open().count()) == ("cancelled", 2, 3)
        assert AuditEntry.objects.filter(action="cancel-discard").count() == 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settle, "AT_ONCE", 2)
        assert at_every_statement(prepare, end) >= 3


def test_create_a_subscription() -> None:
    def prepare() -> Verb:
        return lambda: Subscription.objects.exists() or make.subscription()

    def end() -> None:
        assert Subscription.objects.count() == Lane.objects.count() == Secret.objects.count() == 1
        assert AuditEntry.objects.count() == 1

    assert at_every_statement(prepare, end) >= 3


def test_steer_a_subscription() -> None:
    def prepare() -> Verb:
        to = make.subscription()

        def verb() -> None:
            operate.disable(actor=make.ACTOR, subscription=to.id, reason="x")
            operate.enable(actor=make.ACTOR, subscription=to.id)
            operate.pause(actor=make.ACTOR, subscription=to.id)
            operate.resume(actor=make.ACTOR, subscription=to.id)
            operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
            operate.close_breaker(actor=make.ACTOR, subscription=to.id)
            operate.reset_breaker(actor=make.ACTOR, subscription=to.id)
            operate.rotate_secret(actor=make.ACTOR, subscription=to.id, secret=make.SECRET)

        return verb

    def end() -> None:
        assert Subscription.objects.get().state == "active"
        assert (Lane.objects.get().state, Lane.objects.get().ramp) == ("closed", None)
        # A rotation tried again adds another secret; one of them has no end, as always.
        assert Secret.objects.filter(expires_at=None).count() == 1
        rotations = AuditEntry.objects.filter(action="rotate-secret").count()
        assert Secret.objects.count() == 1 + rotations

    assert at_every_statement(prepare, end) >= 3


def test_delete_a_subscription() -> None:
    def prepare() -> Verb:
        to = make.subscription()
        make.backlog(to, 3)
        make.claims(want=1)
        return lambda: operate.delete_subscription(actor=make.ACTOR, subscription=to.id)

    def end() -> None:
        assert FinishedDelivery.objects.filter(state="cancelled").count() == 3
        assert AuditEntry.objects.filter(action="delete").count() == 1

    assert at_every_statement(prepare, end) >= 3


def test_cancel_a_delivery() -> None:
    def prepare() -> Verb:
        delivery = make.owed(make.subscription())

        def verb() -> None:
            with suppress(WrongState):
                operate.cancel(actor=make.ACTOR, delivery=delivery)

        return verb

    def end() -> None:
        assert FinishedDelivery.objects.get().state == "cancelled"
        assert AuditEntry.objects.filter(action="cancel").count() == 1

    assert at_every_statement(prepare, end) >= 3


def test_roll_the_ledger() -> None:
    def prepare() -> Verb:
        to = make.subscription()
        for _ in range(3):
            make.owed(to)
        return ledger.roll

    def end() -> None:
        assert LedgerEntry.objects.get().created == 3

    assert at_every_statement(prepare, end) >= 3


def test_make_partitions_and_retain() -> None:
    today = timezone.now().date()

    def prepare() -> Verb:
        make.subscription()
        make.published(make.event())

        def verb() -> None:
            make_partitions(today)
            retain()

        return verb

    def end() -> None:
        assert len(days_of("events_event")) == 8
        assert Event.objects.count() == 1

    assert at_every_statement(prepare, end) >= 3
