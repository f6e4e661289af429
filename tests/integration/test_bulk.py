"""Bulk retry and cancel: what was counted is what is done, in slices, whatever happens between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from events import bulk, hooks, probe
from events.bulk import Order, plan, run_all, start, step
from events.choose import Criteria
from events.models import AuditEntry, BulkJob, OwedDelivery, Subscription
from events.models.bulk import BulkState, BulkVerb
from events.rules.outcome import Responded, Unreachable, UnreachableKind
from tests import make
from tests.faults import at_every_statement, together
from tests.pages import at_most

pytestmark = pytest.mark.usefixtures("lawful")

RETRY, CANCEL = BulkVerb.RETRY, BulkVerb.CANCEL


def failed(to: Subscription, many: int, *, status: int = 503, **fields: Any) -> list[UUID]:
    """Deliveries that failed once and wait ten minutes for their next try."""
    made = make.backlog(to, many, **fields)
    make.recorded(Responded(status), schedule=[600.0])
    return made


def wide(**fields: Any) -> Subscription:
    return make.subscription(max_concurrency=5_000, **fields)


def started(verb: BulkVerb, name: str = "one", **criteria: Any) -> BulkJob:
    return start(Order(verb, Criteria(**criteria), name), actor=make.ACTOR)


def finished(job: BulkJob) -> BulkJob:
    while step(job.id):
        pass
    job.refresh_from_db()
    return job


def due() -> set[UUID]:
    waiting = OwedDelivery.objects.filter(state="pending", due_at__lte=timezone.now())
    return set(waiting.values_list("id", flat=True))


def test_a_bulk_retry_makes_due_what_waits_for_a_later_try_and_counts_it() -> None:
    to = wide()
    made = failed(to, 7)
    already = set(make.backlog(to, 3))
    found = plan(RETRY, Criteria(subscription=to.id))
    assert (found.total, found.left, found.by_subscription) == (7, 3, {to.id: 7})
    job = finished(started(RETRY, subscription=to.id))
    assert (job.state, job.total, job.acted) == (BulkState.DONE, 7, 7)
    assert due() == {*made, *already}


def test_a_bulk_cancel_ends_what_meets_the_filter_and_nothing_else() -> None:
    one, two = wide(types=["a"]), wide(types=["b"])
    failed_here = failed(one, 4, type="a")
    make.backlog(two, 2, type="b")
    make.backlog(one, 5, type="a")
    job = finished(started(CANCEL, subscription=one.id, status=503))
    assert (job.total, job.acted) == (len(failed_here), len(failed_here))
    assert finished(started(CANCEL, "later", type="b")).acted == 2


@pytest.mark.parametrize("verb", list(BulkVerb))
def test_what_is_owed_after_the_order_does_not_join(verb: BulkVerb) -> None:
    to = wide()
    made = failed(to, 2)
    job = started(verb, subscription=to.id)
    later = failed(to, 2)
    assert finished(job).acted == 2
    left = set(OwedDelivery.objects.values_list("id", flat=True))
    assert left >= set(later)
    assert due().isdisjoint(later)
    assert left.isdisjoint(made) == (verb == CANCEL)


def test_a_test_that_waits_is_not_made_due() -> None:
    to = wide()
    probe.send_test(to.id, actor=make.ACTOR)
    assert plan(RETRY, Criteria()).total == 0
    assert finished(started(RETRY)).acted == 0
    assert make.claims() == []


def test_it_goes_by_slices_and_each_is_a_few_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "SLICE", 40)
    to = wide()
    failed(to, 100)
    job = started(CANCEL, subscription=to.id)
    acted = []
    for _ in range(3):
        with at_most(8):
            assert step(job.id)
        job.refresh_from_db()
        acted.append(job.acted)
    assert acted == [40, 80, 100]
    assert not step(job.id)


def test_the_periodic_job_takes_every_running_one_further() -> None:
    one, two = wide(types=["a"]), wide(types=["b"])
    make.backlog(one, 2, type="a")
    make.backlog(two, 3, type="b")
    for to in (one, two):
        started(CANCEL, to.public_id, subscription=to.id)
    run_all()
    assert not OwedDelivery.objects.exists()
    assert not BulkJob.objects.running().exists()


def test_a_cancelled_job_stops_at_once_and_what_it_did_stays_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "SLICE", 10)
    to = wide()
    failed(to, 30)
    job = started(CANCEL, subscription=to.id)
    assert step(job.id)
    assert bulk.cancel(job.id, actor="user:other")
    assert not step(job.id)
    assert not bulk.cancel(job.id, actor="user:other")
    job.refresh_from_db()
    assert (job.state, job.acted) == (BulkState.CANCELLED, 10)
    assert OwedDelivery.objects.count() == 20


def test_a_double_start_with_one_token_is_one_job_and_one_audit_entry() -> None:
    failed(wide(), 3)
    first, second = (started(RETRY, status=503) for _ in range(2))
    assert first.id == second.id
    [entry] = AuditEntry.objects.filter(action="bulk-retry")
    assert entry.after["deliveries"] == 3
    assert entry.after["status"] == 503
    finished(first)
    [end] = AuditEntry.objects.filter(action="bulk-retry-done")
    assert (end.target, end.after) == (
        first.public_id,
        {"state": "done", "deliveries": 3, "of": 3},
    )


def test_a_cancel_comes_back_for_what_a_worker_held_when_its_slice_came_by() -> None:
    to = wide()
    made = make.backlog(to, 5)
    job = started(CANCEL, subscription=to.id)

    with transaction.atomic():
        list(OwedDelivery.objects.select_for_update().filter(id=made[0]))
        together([lambda: step(job.id)])
    assert OwedDelivery.objects.count() == 1
    assert (finished(job).acted, OwedDelivery.objects.count()) == (5, 0)


def test_verdicts_claims_and_two_runs_meet_a_bulk_cancel_and_each_delivery_ends_once() -> None:
    to = wide()
    make.backlog(to, 200)
    job = started(CANCEL, subscription=to.id)

    def work() -> None:
        make.recorded(Responded(200), want=40)

    together([work, work, work, lambda: finished(job), lambda: finished(job)])
    finished(job)
    assert not OwedDelivery.objects.exists()


@pytest.mark.parametrize("verb", list(BulkVerb))
def test_a_kill_at_any_statement_loses_and_repeats_nothing(verb: BulkVerb) -> None:
    def prepare() -> Callable[[], object]:
        failed(wide(), 6)
        return lambda: finished(started(verb, status=503))

    def end() -> None:
        job = BulkJob.objects.get()
        assert (job.state, job.acted, job.total) == (BulkState.DONE, 6, 6)
        assert AuditEntry.objects.filter(target=job.public_id).count() == 2

    assert at_every_statement(prepare, end) >= 10


def test_pages_hear_of_what_a_slice_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: set[str] = set()
    monkeypatch.setattr(hooks, "on_change", [heard.update])
    [made] = failed(wide(), 1)
    heard.clear()
    job = finished(started(RETRY))
    assert {job.public_id, make.delivery(made).public_id} <= heard


def test_moments_patterns_and_words_narrow_it() -> None:
    to = wide()
    make.backlog(to, 1, type="order.paid")
    make.recorded(Unreachable(UnreachableKind.REFUSED, "connection refused"), schedule=[600.0])
    make.backlog(to, 1, type="user.made")
    hour = timedelta(hours=1)
    assert plan(CANCEL, Criteria(type="order.*")).total == 1
    assert plan(CANCEL, Criteria(error="Refused")).total == 1
    assert plan(CANCEL, Criteria(since=timezone.now() - hour)).total == 2
    assert plan(CANCEL, Criteria(before=timezone.now() - hour)).total == 0
    wanted = Criteria(ids=(UUID(int=1),), since=timezone.now(), type="a", replay=UUID(int=2))
    assert Criteria.from_json(wanted.as_json()) == wanted
