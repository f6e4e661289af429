"""Claiming: fair over the lanes, exact about caps, tokens, order and the half-open probe."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from events import operate
from events.engine import claim as claiming
from events.engine.claim import Claim, claim
from events.engine.due import due_lanes
from events.engine.rescue import give_back
from events.lanes import FIRST, LOOK
from events.models import AuditEntry, Lane, OwedDelivery, Subscription
from events.rules.outcome import Responded
from events.tenants import set_weight
from events.uuids import new_uuid
from tests import make
from tests.faults import together

pytestmark = pytest.mark.usefixtures("lawful")


def take(want: int = 100, cursor: UUID = FIRST, worker: str = "one") -> list[Claim]:
    found = claim(want=want, cursor=cursor, worker=worker, lease=new_uuid())
    return list(found.claims)


def many(to: Subscription, number: int, **fields: object) -> list[UUID]:
    return make.backlog(to, number, **fields)


def ids_of(claims: list[Claim]) -> list[UUID]:
    return [one.delivery for one in claims]


def later(seconds: float) -> object:
    return timezone.now() + timedelta(seconds=seconds)


def test_a_claim_holds_a_lease_that_outlives_the_send() -> None:
    make.owed(make.subscription(timeout=40.0))
    [claimed] = take(worker="w1")
    row = OwedDelivery.objects.get()
    assert (row.state, row.lease, row.worker) == ("in_flight", claimed.lease, "w1")
    left = row.lease_until - timezone.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=55)
    assert row.attempts == 0


def test_a_claim_carries_the_event_it_delivers() -> None:
    event = make.event(subject="s", extensions={"a": 1}, data=b"\xff", traceparent="x")
    to = make.subscription()
    make.published(event)
    [claimed] = take()
    assert claimed.event is not None
    assert (claimed.event.subject, claimed.event.data) == ("s", b"\xff")
    assert claimed.event.extensions == {"a": 1}
    assert (claimed.subscription, claimed.event_id) == (to.id, event.id)


def test_what_is_claimed_is_not_claimed_again() -> None:
    many(make.subscription(), 3)
    assert len(take()) == 3
    assert take() == []


def test_what_is_not_due_waits() -> None:
    make.owed(make.subscription())
    OwedDelivery.objects.update(due_at=later(60))
    assert take() == []
    assert due_lanes(most=5) == 0
    make.due_now()
    assert due_lanes(most=5) == 1
    assert len(take()) == 1


def test_a_claim_shares_what_it_wants_between_the_lanes() -> None:
    greedy, small = make.subscription(max_concurrency=100), make.subscription(types=["rare"])
    many(greedy, 50)
    for _ in range(5):
        make.published(make.event(type="rare"))
    taken = Counter(one.subscription for one in take(want=10))
    assert taken == {greedy.id: 5, small.id: 5}


def test_a_place_that_comes_free_goes_to_the_lane_that_has_the_fewest_in_flight() -> None:
    lanes = [make.subscription(max_concurrency=10) for _ in range(3)]
    for _ in range(10):
        make.published(make.event())
    held = take(want=6)
    assert Counter(one.subscription for one in held) == {lane.id: 2 for lane in lanes}
    # However the lots fall: whoever has one less than the others is next.
    for one in held:
        give_back(one)
        assert [again.subscription for again in take(want=1)] == [one.subscription]


def test_lanes_that_have_equally_much_in_flight_are_drawn_by_lot() -> None:
    for _ in range(4):
        make.owed(make.subscription(types=[f"t{_}"]), type=f"t{_}")
    drawn = set()
    for _ in range(60):
        [one] = take(want=1)
        drawn.add(one.subscription)
        give_back(one)
    assert len(drawn) == 4


def test_a_lane_gives_at_most_its_concurrency() -> None:
    to = make.subscription(max_concurrency=3)
    many(to, 10)
    first = take()
    assert len(first) == 3
    assert take() == []
    give_back(first[0])
    assert len(take()) == 1


def test_every_lane_is_reached_from_a_rotating_cursor() -> None:
    lanes = claiming.LANES_AT_ONCE + 10
    for _ in range(lanes):
        make.subscription()
    make.published(make.event())
    first = claim(want=1_000, cursor=FIRST, worker="w", lease=new_uuid())
    assert len(first.claims) == claiming.LANES_AT_ONCE
    assert first.cursor != FIRST
    second = claim(want=1_000, cursor=first.cursor, worker="w", lease=new_uuid())
    assert len(second.claims) == 10
    assert second.cursor == FIRST


def test_higher_priority_goes_first_and_older_before_newer() -> None:
    to = make.subscription()
    low, normal, high = (make.owed(to, priority=p) for p in (2, 1, 0))
    other = make.owed(to, priority=0)
    assert [ids_of(take(want=1))[0] for _ in range(4)] == [high, other, normal, low]


@pytest.mark.parametrize("verb", ["pause", "disable", "delete"])
def test_a_lane_that_is_not_active_is_passed_over(verb: str) -> None:
    held, free = make.subscription(), make.subscription(types=["free"])
    many(held, 2)
    match verb:
        case "pause":
            operate.pause(actor=make.ACTOR, subscription=held.id)
        case "disable":
            operate.disable(actor=make.ACTOR, subscription=held.id, reason="x")
        case _:
            operate.delete_subscription(actor=make.ACTOR, subscription=held.id)
    assert take() == []
    assert due_lanes(most=5) == 0
    make.published(make.event(type="free"))
    assert [one.subscription for one in take()] == [free.id]


def test_a_pause_spends_no_attempt_and_keeps_the_due_time() -> None:
    to = make.subscription()
    make.owed(to)
    before = OwedDelivery.objects.values("attempts", "due_at").get()
    operate.pause(actor=make.ACTOR, subscription=to.id)
    assert take() == []
    operate.resume(actor=make.ACTOR, subscription=to.id)
    assert OwedDelivery.objects.values("attempts", "due_at").get() == before
    assert len(take()) == 1


def test_a_rate_limit_gives_its_burst_and_then_nothing() -> None:
    to = make.subscription(rate_limit=5.0, max_concurrency=100)
    many(to, 10)
    assert len(take()) == 2
    assert take() == []
    assert due_lanes(most=5) == 0
    Lane.objects.filter(pk=to.id).update(tokens=0, tokens_at=later(-0.25))
    assert due_lanes(most=5) == 1
    assert len(take()) == 1
    Lane.objects.filter(pk=to.id).update(tokens=0, tokens_at=later(-3600))
    assert len(take()) == 2


def test_a_slow_rate_lets_one_through_at_a_time() -> None:
    to = make.subscription(rate_limit=0.1)
    many(to, 3)
    assert len(take()) == 1
    Lane.objects.filter(pk=to.id).update(tokens=0, tokens_at=later(-5))
    assert take() == []
    Lane.objects.filter(pk=to.id).update(tokens=0, tokens_at=later(-10.5))
    assert len(take()) == 1


def test_an_open_breaker_parks_its_lane_until_its_time() -> None:
    to = make.subscription()
    many(to, 5)
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    assert take() == []
    assert due_lanes(most=5) == 0
    assert set(OwedDelivery.objects.values_list("attempts", flat=True)) == {0}
    Lane.objects.filter(pk=to.id).update(retry_at=later(-1))
    assert due_lanes(most=5) == 1


def test_half_open_sends_one_probe_and_a_dead_probe_is_replaced() -> None:
    to = make.subscription(timeout=5.0)
    many(to, 5)
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    Lane.objects.filter(pk=to.id).update(retry_at=later(-1))
    [probe] = take()
    assert probe.probe
    assert Lane.objects.get().state == "half_open"
    assert take() == []
    Lane.objects.filter(pk=to.id).update(probe_until=later(-1))
    assert [one.probe for one in take()] == [True]


def test_a_lane_ramps_up_after_its_probe_came_back() -> None:
    to = make.subscription(max_concurrency=5)
    many(to, 20)
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    Lane.objects.filter(pk=to.id).update(retry_at=later(-1))
    widths = [len(make.recorded(Responded(200), want=100)) for _ in range(5)]
    assert widths == [1, 1, 2, 4, 5]


def test_one_key_is_in_order_and_another_does_not_wait_for_it() -> None:
    to = make.subscription(ordered=True)
    a1, a2 = (make.owed(to, ordering_key="a") for _ in range(2))
    b1 = make.owed(to, ordering_key="b")
    none1, none2 = (make.owed(to) for _ in range(2))
    assert set(ids_of(take())) == {a1, b1, none1}
    assert take() == []
    finish = OwedDelivery.objects.get(id=a1)
    operate.cancel(actor=make.ACTOR, delivery=finish.id)
    assert ids_of(take()) == [a2]
    operate.cancel(actor=make.ACTOR, delivery=none1)
    assert ids_of(take()) == [none2]


def test_a_successor_waits_while_its_predecessor_is_retried_later() -> None:
    to = make.subscription(ordered=True)
    a1, a2 = (make.owed(to, ordering_key="a") for _ in range(2))
    assert make.recorded(Responded(500), schedule=[60.0]) == [a1]
    assert take() == []
    make.due_now()
    assert ids_of(take()) == [a1]
    assert a2 not in ids_of(take())


def test_a_higher_priority_does_not_overtake_within_a_key() -> None:
    to = make.subscription(ordered=True)
    first = make.owed(to, ordering_key="a", priority=2)
    make.owed(to, ordering_key="a", priority=0)
    assert ids_of(take()) == [first]


def test_a_stuck_key_with_very_many_successors_hides_no_other_key() -> None:
    to = make.subscription(ordered=True, schedule=[60.0])
    many(to, LOOK + 150, ordering_key="stuck")
    free = make.owed(to, ordering_key="z")
    with_none = make.owed(to, ordering_key="a", priority=2)
    stuck, *others = make.recorded(Responded(500), schedule=[60.0])
    assert {free, with_none} == set(others)
    assert make.delivery(stuck).ordering_key == "stuck"
    assert due_lanes(most=5) == 0
    make.owed(to, ordering_key="b")
    assert due_lanes(most=5) == 1
    assert [OwedDelivery.objects.get(id=one).ordering_key for one in ids_of(take())] == ["b"]


def test_what_was_overtaken_at_its_commit_is_not_sent_beside_its_key() -> None:
    to = make.subscription(ordered=True)
    make.owed(to, ordering_key="k")
    [sent] = take()
    overtaken = make.owed(to, ordering_key="k")
    OwedDelivery.objects.filter(id=overtaken).update(created_at=later(-60))
    assert take() == []
    assert due_lanes(most=5) == 0
    give_back(sent)
    assert ids_of(take()) == [overtaken]


def test_a_dead_letter_releases_its_key() -> None:
    to = make.subscription(ordered=True)
    first, second = (make.owed(to, ordering_key="k") for _ in range(2))
    assert make.recorded(Responded(500)) == [first]
    assert make.delivery(first).state == "dead"
    assert ids_of(take()) == [second]


def test_a_lane_at_its_cap_is_no_work() -> None:
    to = make.subscription(max_concurrency=2)
    many(to, 5)
    assert due_lanes(most=5) == 1
    take()
    assert due_lanes(most=5) == 0


@pytest.mark.parametrize("limit", [{"max_concurrency": 2}, {"rate_limit": 5.0}])
def test_a_lane_that_has_no_place_or_no_token_is_not_written_to(limit: dict[str, Any]) -> None:
    """Each claim that held it would write a mark to its row, many times a second."""
    to = make.subscription(**limit)
    many(to, 5)
    assert len(take()) == 2
    before = row_version(to)
    assert take() == []
    assert row_version(to) == before


def row_version(to: Subscription) -> tuple[str, str]:
    """Who wrote the lane's row, and who held it last."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin, xmax FROM events_lane WHERE subscription_id = %s", [to.id])
        xmin, xmax = cursor.fetchone()
    return str(xmin), str(xmax)


def test_what_was_given_back_is_due_as_it_was() -> None:
    make.owed(make.subscription())
    before = OwedDelivery.objects.values().get()
    [claimed] = take()
    give_back(claimed)
    assert OwedDelivery.objects.values().get() == before


def test_eight_claims_at_once_take_each_delivery_once_and_keep_the_cap() -> None:
    lanes = [make.subscription(max_concurrency=7) for _ in range(4)]
    for _ in range(30):
        make.published(make.event())
    found = together([lambda: make.claims(want=50) for _ in range(8)])
    taken = [one for claims in found for one in claims]
    assert len({one.delivery for one in taken}) == len(taken)
    counted = Counter(one.subscription for one in taken)
    assert all(counted[lane.id] <= 7 for lane in lanes)
    # Who met a held lane passed over it: a quiet claim afterwards fills every lane up.
    make.claims()
    in_flight = OwedDelivery.objects.filter(state="in_flight").values_list("subscription")
    assert Counter(row[0] for row in in_flight) == {lane.id: 7 for lane in lanes}


def test_claims_at_once_never_send_two_probes() -> None:
    to = make.subscription(max_concurrency=100)
    many(to, 50)
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    Lane.objects.filter(pk=to.id).update(retry_at=later(-1))
    found = together([take] * 8)
    assert sum(len(claims) for claims in found) <= 1
    take()
    assert OwedDelivery.objects.filter(state="in_flight").count() == 1


def test_claims_at_once_spend_each_token_once() -> None:
    to = make.subscription(rate_limit=3.0, max_concurrency=100)
    many(to, 50)
    found = together([take] * 8)
    assert sum(len(claims) for claims in found) <= 4


def test_a_tenant_of_weight_three_gets_three_times_the_share() -> None:
    heavy = make.subscription(tenant="acme", max_concurrency=100)
    light = make.subscription(max_concurrency=100)
    for _ in range(20):
        make.published(make.event(tenant="acme"))
    set_weight(actor="test", tenant="acme", weight=3)
    taken = Counter(one.subscription for one in take(want=8))
    assert taken == {heavy.id: 6, light.id: 2}
    entry = AuditEntry.objects.get(action="weigh")
    assert (entry.before, entry.after) == ({"weight": 1}, {"weight": 3})


def test_the_weight_is_of_later_subscriptions_and_follows_the_tenant() -> None:
    set_weight(actor="test", tenant="acme", weight=3)
    to = make.subscription(tenant="acme")
    assert Lane.objects.get(pk=to.id).weight == 3
    operate.change_subscription(actor="test", subscription=to.id, fields={"tenant": None})
    assert Lane.objects.get(pk=to.id).weight == 1
