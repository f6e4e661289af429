"""Replay: new deliveries of the same events, once each, through double clicks and kills."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from dlq.models import DeadLetter, LetterState, Replay, ReplayState, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order, plan
from dlq.replay import STEP, cancel, set_rate, start, step
from dlq.select import Criteria
from dlq.tasks import replay_running
from events import operate
from events.engine.record import record
from events.models import AuditEntry, Delivery, LoadLevel, OwedDelivery, Subscription
from events.redeliver import Redelivery, redeliver
from events.rules.outcome import Responded
from events.uuids import new_uuid
from tests import make
from tests.engine import Engine
from tests.faults import together
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


def order(name: str = "t1", **fields: object) -> Order:
    values = {"source": ReplaySource.DEAD_LETTERS, "criteria": Criteria(), "token": name}
    return Order(**(values | fields))  # type: ignore[arg-type]


def run(replay: Replay) -> Replay:
    while step(replay.id):
        """Until there is no more to do now."""
    return Replay.objects.get(id=replay.id)


def done(replay: Replay) -> Replay:
    found = run(replay)
    assert found.state == ReplayState.DONE
    assert found.finished_at is not None
    return found


def replayed(replay: Replay) -> list[OwedDelivery]:
    return list(OwedDelivery.objects.filter(replay=replay.id).order_by("replay_source"))


def test_a_replay_owes_each_dead_letter_once_more() -> None:
    to = make.subscription()
    letters = make.dead(to, 5)
    job = done(start(order(), actor=make.ACTOR))
    assert (job.total, job.made, job.skipped) == (5, 5, 0)
    made = replayed(job)
    assert [row.replay_source for row in made] == letters
    assert {(row.subscription, row.state, row.attempts) for row in made} == {(to.id, "pending", 0)}
    assert [row.webhook_id for row in made] == letters
    assert not {row.id for row in made} & set(letters)
    assert set(DeadLetter.objects.values_list("state", "replay")) == {("replayed", job.id)}
    assert Signature.objects.get().open == 0
    assert AuditEntry.objects.filter(action="replay").count() == 1


def test_a_double_start_with_one_token_is_one_replay() -> None:
    make.dead(make.subscription(), 3)
    jobs = together([lambda: start(order(), actor=make.ACTOR).id] * 8)
    assert len(set(jobs)) == 1
    assert AuditEntry.objects.filter(action="replay").count() == 1
    job = done(Replay.objects.get())
    assert start(order(), actor=make.ACTOR).id == job.id
    assert len(replayed(job)) == 3


def test_steps_at_once_make_nothing_twice() -> None:
    make.dead(make.subscription(max_concurrency=1_000), 40)
    job = start(order(), actor=make.ACTOR)
    together([lambda: step(job.id)] * 8)
    assert done(job).made == 40
    assert len(replayed(job)) == 40


def test_two_replays_of_the_same_letters_share_them() -> None:
    """A letter that one of them settled is no longer open to the other."""
    letters = make.dead(make.subscription(max_concurrency=100), 20)
    jobs = [start(order(token), actor=make.ACTOR) for token in ("a", "b")]
    together([lambda job=job: run(job) for job in jobs])
    made = [done(job).made for job in jobs]
    assert sum(made) == len(letters) == OwedDelivery.objects.count()


def test_more_than_one_step_goes_on_from_its_cursor() -> None:
    to = make.subscription(max_concurrency=2_000)
    make.backlog(to, STEP + 50)
    make.recorded(Responded(500))
    job = start(order(), actor=make.ACTOR)
    assert step(job.id)
    assert Replay.objects.get().made == STEP
    assert done(job).made == STEP + 50


def test_what_dies_after_the_start_does_not_join() -> None:
    to = make.subscription()
    first = make.dead(to)
    job = start(order(), actor=make.ACTOR)
    make.dead(to)
    done(job)
    assert [row.replay_source for row in replayed(job)] == first
    assert DeadLetter.objects.open().count() == 1


def test_a_replay_sends_the_same_id_and_body_under_the_current_secret(
    engine: Engine, receiver: Receiver
) -> None:
    to = make.subscription(receiver.url("/then/500/200"), schedule=[])
    make.owed(to)
    engine.run()
    secret = "whsec_" + "bmV3" * 10
    operate.rotate_secret(actor=make.ACTOR, subscription=to.id, secret=secret, overlap=timedelta(0))
    done(start(order(), actor=make.ACTOR))
    engine.run()
    first, again = receiver.wait(2)
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert again.body == first.body
    Webhook(secret).verify(again.body, again.headers)
    assert Delivery.objects.filter(state="delivered").count() == 1


def test_a_fresh_replay_has_ids_of_its_own() -> None:
    letters = make.dead(make.subscription(), 2)
    job = done(start(order(fresh=True), actor=make.ACTOR))
    made = replayed(job)
    assert all(row.webhook_id == row.id for row in made)
    assert not {row.webhook_id for row in made} & set(letters)


def test_the_id_is_kept_through_replays_of_replays() -> None:
    [letter] = make.dead(make.subscription())
    for token in ("a", "b", "c"):
        job = done(start(order(token), actor=make.ACTOR))
        assert [row.webhook_id for row in replayed(job)] == [letter]
        make.recorded(Responded(500))
    assert DeadLetter.objects.count() == 4


def test_a_replay_to_another_subscription_leaves_the_failing_one_alone() -> None:
    make.dead(make.subscription(types=["order.paid"]), 3)
    other = make.subscription(types=["none"])
    job = done(start(order(target=other.id), actor=make.ACTOR))
    assert {row.subscription for row in replayed(job)} == {other.id}


def test_a_letter_whose_subscription_is_gone_is_not_counted_and_stays_open() -> None:
    gone, kept = (make.subscription(name=n, types=[n]) for n in ("gone", "kept"))
    for to, many in ((gone, 2), (kept, 1)):
        make.backlog(to, many, type=to.name)
    make.recorded(Responded(500))
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    found = plan(order())
    assert (found.total, found.gone, found.delivered) == (1, 2, 0)
    assert found.by_subscription == {kept.id: 1}
    job = done(start(order(), actor=make.ACTOR))
    assert (job.total, job.made, job.skipped) == (1, 1, 0)
    assert DeadLetter.objects.open().count() == 2


def test_a_letter_whose_subscription_is_gone_can_be_sent_elsewhere() -> None:
    gone = make.subscription()
    make.dead(gone, 2)
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    other = make.subscription()
    assert plan(order(target=other.id)).total == 2
    assert done(start(order(target=other.id), actor=make.ACTOR)).made == 2


def test_a_rate_is_kept_and_the_first_one_goes_at_once() -> None:
    make.dead(make.subscription(), 10)
    job = start(order(rate=2.0), actor=make.ACTOR)
    assert not step(job.id)
    assert len(replayed(job)) == 1
    assert not step(job.id)
    assert len(replayed(job)) == 1
    Replay.objects.update(paced_at=timezone.now() - timedelta(seconds=1.6))
    step(job.id)
    assert len(replayed(job)) == 4


def test_a_replay_waits_while_the_system_is_overloaded() -> None:
    make.dead(make.subscription(), 2)
    LoadLevel.objects.create(id=1, level="overloaded", reasons=["x"])
    job = start(order(), actor=make.ACTOR)
    assert not step(job.id)
    assert replayed(job) == []
    assert Replay.objects.get().state == ReplayState.RUNNING


def test_a_cancelled_replay_makes_no_more_and_what_it_made_stays_owed() -> None:
    make.dead(make.subscription(), 4)
    job = start(order(rate=1.0), actor=make.ACTOR)
    step(job.id)
    assert cancel(job.id, actor=make.ACTOR)
    assert not cancel(job.id, actor=make.ACTOR)
    assert not step(job.id)
    assert len(replayed(job)) == 1
    assert DeadLetter.objects.open().count() == 3


def test_a_dry_run_counts_and_writes_nothing() -> None:
    one, two = make.subscription(types=["a"]), make.subscription(types=["a", "b"])
    make.published(make.event(type="a"), make.event(type="b"))
    make.recorded(Responded(500))
    found = plan(order())
    assert (found.total, found.by_subscription) == (3, {one.id: 1, two.id: 2})
    assert len(found.sample) == 3
    assert plan(order(target=one.id)).by_subscription == {one.id: 3}
    assert Replay.objects.count() == 0


def test_a_slice_of_the_event_log_goes_to_one_subscription() -> None:
    old = [make.published(make.event(type=name))[0] for name in ("order.a", "cart", "order.b")]
    new = make.subscription(types=["none"])
    job = start(
        order(source=ReplaySource.EVENTS, criteria=Criteria(type="order.*"), target=new.id),
        actor=make.ACTOR,
    )
    make.published(make.event(type="order.late"))
    assert done(job).made == 2
    made = replayed(job)
    assert [row.event for row in made] == [old[0], old[2]]
    assert all(row.webhook_id == row.id for row in made)


def test_an_ordered_target_gets_a_replay_in_order() -> None:
    old = make.published(*(make.event(ordering_key="k") for _ in range(3)))
    to = make.subscription(types=["none"], ordered=True)
    done(start(order(source=ReplaySource.EVENTS, target=to.id), actor=make.ACTOR))
    sent = [event for _ in range(3) for event in _delivered()]
    assert sent == old


def test_what_died_again_keeps_its_place_before_its_successors() -> None:
    to = make.subscription(ordered=True)
    first, *rest = _dead_of_one_key(to, 3)
    done(start(order("again", criteria=Criteria(ids=(first,))), actor=make.ACTOR))
    make.recorded(Responded(500))
    job = start(order("all"), actor=make.ACTOR)
    done(job)
    made = OwedDelivery.objects.filter(replay=job.id).order_by("created_at", "id")
    assert [row.event for row in made] == [make.delivery(one).event for one in (first, *rest)]


def _dead_of_one_key(to: Subscription, many: int) -> list[UUID]:
    """Each dies alone: the key is free for the next one then."""
    made = make.backlog(to, many, ordering_key="k")
    assert [make.recorded(Responded(500)) for _ in made] == [[one] for one in made]
    return made


def _delivered() -> list[UUID]:
    claims = make.claims()
    record([make.result(one) for one in claims], worker="w")
    return [one.event_id for one in claims]


def test_redelivering_a_source_again_makes_nothing() -> None:
    to = make.subscription()
    [letter] = make.dead(to)
    row = DeadLetter.objects.get()
    replay, item = new_uuid(), Redelivery(row.event, to.id, letter, letter)
    assert list(redeliver([item], replay=replay)) == [letter]
    assert redeliver([item, item], replay=replay) == {}
    assert OwedDelivery.objects.count() == 1


def test_the_periodic_job_takes_every_running_replay_further() -> None:
    to = make.subscription()
    make.dead(to, 3)
    first = start(order("a", criteria=Criteria(subscription=to.id)), actor=make.ACTOR)
    second = start(order("b", criteria=Criteria(subscription=new_uuid())), actor=make.ACTOR)
    replay_running()
    assert {Replay.objects.get(id=job.id).state for job in (first, second)} == {ReplayState.DONE}
    assert len(replayed(first)) == 3
    assert DeadLetter.objects.first().state == LetterState.REPLAYED
    assert Subscription.objects.count() == 1


def test_a_running_replay_changes_its_rate_without_a_burst(transactional_db: None) -> None:
    to = make.subscription()
    make.dead(to, 8)
    row = start(Order(ReplaySource.DEAD_LETTERS, Criteria(), token="rate", rate=0.01), actor="a")
    step(row.id)
    assert set_rate(row.id, rate=5.0, actor="b")
    step(row.id)
    row.refresh_from_db()
    assert (row.rate, row.made) == (5.0, 1)
    entry = AuditEntry.objects.get(action="change-rate")
    assert (entry.actor, entry.before, entry.after) == ("b", {"rate": 0.01}, {"rate": 5.0})
    cancel(row.id, actor="a")
    assert not set_rate(row.id, rate=1.0, actor="b")


def test_what_a_replay_made_and_died_again_is_replayed_again_and_nothing_else(
    transactional_db: None,
) -> None:
    to = make.subscription(schedule=[])
    make.dead(to, 3)
    first = start(Order(ReplaySource.DEAD_LETTERS, Criteria(), token="one"), actor="a")
    while step(first.id):
        pass
    for claimed in make.claims():
        record([make.result(claimed, Responded(500))], worker="w")
    make.dead(make.subscription(), 2)
    again = plan(order(criteria=Criteria(replay=first.id)))
    assert again.total == 3
