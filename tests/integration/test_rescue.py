"""Rescue: leases that ended without a verdict are due again, with no attempt counted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from dlq.models import DeadLetter
from events.engine.claim import Claim
from events.engine.record import record
from events.engine.rescue import STRIKES, give_back, rescue, rescue_all, strike
from events.models import Attempt, Heartbeat, Lane, OwedDelivery
from events.models.process import Role
from tests import make
from tests.faults import together

pytestmark = pytest.mark.usefixtures("lawful")


def claimed(many: int = 1, worker: str = "one") -> list[Claim]:
    to = make.subscription(max_concurrency=2_000)
    make.backlog(to, many)
    return make.claims(worker=worker)


def run_out() -> None:
    OwedDelivery.objects.filter(state="in_flight").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def beat(name: str, *, seconds_ago: float, doing: str = "pumping") -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    Heartbeat.objects.create(
        name=name, role=Role.WORKER, host="h", pid=1, version="1", beat_at=at, doing=doing
    )


def test_a_lease_that_ran_out_is_due_again_as_it_was() -> None:
    before_claim = OwedDelivery.objects.values()
    [one] = claimed()
    run_out()
    assert rescue([]) == 1
    row = before_claim.get()
    assert (row["state"], row["lease"], row["lease_until"], row["worker"]) == (
        "pending",
        None,
        None,
        "",
    )
    assert row["attempts"] == 0
    assert make.claims()[0].delivery == one.delivery


def test_a_lease_that_holds_is_left_alone() -> None:
    claimed(3)
    assert rescue([]) == 0
    assert rescue_all() == 0


def test_the_leases_of_a_worker_that_is_gone_do_not_have_to_run_out() -> None:
    claimed(2, worker="gone")
    beat("gone", seconds_ago=20)
    beat("alive", seconds_ago=1)
    assert rescue_all() == 2


def test_a_quiet_worker_that_is_alive_keeps_its_leases() -> None:
    claimed(2, worker="alive")
    beat("alive", seconds_ago=9)
    assert rescue_all() == 0


def test_more_than_one_batch_is_rescued() -> None:
    claimed(1_200)
    run_out()
    assert rescue_all() == 1_200


def test_rescues_at_once_share_the_work() -> None:
    claimed(200)
    run_out()
    assert sum(together([lambda: rescue([])] * 8)) == 200


def test_a_rescue_leaves_what_a_worker_is_just_recording() -> None:
    claims = claimed(50)
    run_out()
    results = [make.result(one) for one in claims]
    together([lambda: record(results, worker="one"), *[rescue_all] * 7])
    rescue_all()
    # Whoever was first decided; a late verdict left an attempt and no more.
    late = Attempt.objects.filter(late=True).count()
    assert OwedDelivery.objects.filter(state="pending").count() == late
    assert OwedDelivery.objects.filter(state="in_flight").count() == 0


def test_a_claim_is_given_back_only_by_its_owner() -> None:
    [one] = claimed()
    run_out()
    rescue([])
    [two] = make.claims(worker="two")
    give_back(one)
    assert OwedDelivery.objects.get().lease == two.lease
    give_back(two)
    assert OwedDelivery.objects.get().state == "pending"


def test_a_rescued_lane_has_its_width_back() -> None:
    to = make.subscription(max_concurrency=2)
    for _ in range(4):
        make.owed(to)
    assert len(make.claims()) == 2
    assert make.claims() == []
    run_out()
    rescue([])
    assert len(make.claims()) == 2


def test_three_strikes_make_a_delivery_poison_and_a_dead_letter() -> None:
    [one] = claimed()
    for number in range(1, STRIKES):
        strike(one, words="cannot be wrapped")
        row = OwedDelivery.objects.get()
        assert (row.state, row.strikes, row.attempts) == ("pending", number, 0)
        assert row.last_error == "cannot be wrapped"
        make.due_now()
        [one] = make.claims()
    strike(one, words="cannot be wrapped")
    assert make.delivery(one.delivery).state == "dead"
    letter = DeadLetter.objects.select_related("signature").get()
    assert letter.reason == "poison: cannot be wrapped"
    assert letter.signature.outcome == "internal"
    assert Lane.objects.get().failures == 0


def test_a_strike_of_a_late_worker_counts_for_nothing() -> None:
    [one] = claimed()
    run_out()
    rescue([])
    make.claims(worker="two")
    strike(one, words="late")
    assert OwedDelivery.objects.get().strikes == 0
