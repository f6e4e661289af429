"""What a replay left out is kept: exactly what was counted, with its reason, for its time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.conf import settings
from django.utils import timezone

from dlq.models import DeadLetter, Replay, ReplaySkip
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start, step
from dlq.select import Criteria
from dlq.tasks import forget_old
from events import operate
from events.models import Event
from events.rules import ids
from events.uuids import new_uuid
from tests import make
from tests.faults import at_every_statement, together
from tests.queries import counted

pytestmark = pytest.mark.usefixtures("transactional_db")


def run(job: Replay) -> Replay:
    while step(job.id):
        """Until there is no more to do now."""
    return Replay.objects.get(id=job.id)


def half_gone(many: int = 4) -> Replay:
    """A replay of dead letters of which every second event has expired."""
    letters = make.dead(make.subscription(max_concurrency=100), many)
    events = DeadLetter.objects.filter(id__in=letters[::2]).values("event")
    Event.objects.filter(id__in=events).delete()
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token=str(new_uuid()))
    return start(order, actor=make.ACTOR)


def kept(job: Replay) -> list[tuple[UUID, str]]:
    rows = ReplaySkip.objects.of(job.id).order_by("source")
    return list(rows.values_list("source", "reason"))


def test_letters_whose_event_expired_are_kept_in_their_order_and_stay_open() -> None:
    job = run(half_gone())
    assert (job.total, job.made, job.skipped) == (4, 2, 2)
    left = list(DeadLetter.objects.open().order_by("id").values_list("id", flat=True))
    assert kept(job) == [(letter, "event_gone") for letter in left]


def test_letters_and_events_for_a_target_that_was_deleted_since_are_kept() -> None:
    letters = make.dead(make.subscription(), 2)
    events = list(Event.objects.order_by("id").values_list("id", flat=True))
    for source, wanted in (
        (ReplaySource.DEAD_LETTERS, letters),
        (ReplaySource.EVENTS, events),
    ):
        other = make.subscription(types=["none"])
        order = Order(source, Criteria(), token=source, target=other.id)
        job = start(order, actor=make.ACTOR)
        operate.delete_subscription(actor=make.ACTOR, subscription=other.id)
        assert run(job).skipped == 2
        assert kept(job) == [(one, "subscription_gone") for one in wanted]


def test_steps_at_once_keep_nothing_twice() -> None:
    job = half_gone(40)
    together([lambda: step(job.id)] * 8)
    assert run(job).skipped == len(kept(job)) == 20


def test_a_step_that_dies_anywhere_keeps_what_it_counts_and_nothing_twice() -> None:
    def prepare() -> Callable[[], object]:
        make.dead(make.subscription(), 3)
        other = make.subscription(types=["none"])
        order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t", target=other.id)
        job = start(order, actor=make.ACTOR)
        operate.delete_subscription(actor=make.ACTOR, subscription=other.id)
        return lambda: run(job)

    def end() -> None:
        job = Replay.objects.get()
        assert (job.state, job.made, job.skipped) == ("done", 0, 3)
        assert len(kept(job)) == 3

    assert at_every_statement(prepare, end) >= 3


def test_a_step_that_leaves_nothing_out_asks_nothing_more() -> None:
    make.dead(make.subscription(), 3)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t")
    job = start(order, actor=make.ACTOR)
    with counted() as asked:
        step(job.id)
    assert not [sql for sql in asked if "dlq_replayskip" in sql]


def aged(job: Replay, days: float) -> Replay:
    """As if the replay had begun and ended so many days ago."""
    then = timezone.now() - timedelta(days=days)
    old = Replay.objects.get(id=job.id)
    old.id, old.token = ids.first_at(then), str(old.id)
    old.finished_at = then if old.finished_at else None
    old.save(force_insert=True)
    ReplaySkip.objects.filter(replay=job).update(replay=old)
    return old


def test_all_of_a_replay_is_forgotten_when_the_retention_after_its_end_is_over() -> None:
    old = aged(run(half_gone(10)), settings.REDRIVE_RETENTION_DAYS + 0.1)
    young = aged(run(half_gone()), settings.REDRIVE_RETENTION_DAYS - 0.1)
    # What is over is out of sight at once, whenever it is dropped.
    assert kept(old) == []
    assert ReplaySkip.objects.filter(replay=old).count() == old.skipped == 5
    forget_old()
    assert not ReplaySkip.objects.filter(replay=old).exists()
    assert len(kept(young)) == young.skipped > 0


def test_nothing_of_a_replay_that_runs_is_forgotten_however_old() -> None:
    job = half_gone()
    step(job.id)
    old = aged(job, settings.REDRIVE_RETENTION_DAYS + 5)
    forget_old()
    assert len(kept(old)) == old.skipped == 2
