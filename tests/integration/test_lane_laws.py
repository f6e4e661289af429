"""Two lanes in the hands of workers that claim, report, come late and die, and of people.

Time is moved in the tables. After each step the laws of every snapshot hold; when all is over
whatever is owed is delivered.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings as ours
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from events import operate
from events.engine.claim import PROBE_GRACE, Claim
from events.engine.health import resume_what_is_due
from events.engine.record import record
from events.engine.rescue import rescue_all
from events.models import Attempt, Lane, OwedDelivery, Subscription
from events.operate import WrongState
from events.rules.breaker import BreakerPolicy
from events.rules.outcome import Responded
from tests import laws, make
from tests.clean import clean_database

TIMEOUT, CAP = 40.0, 4
"""Sends may outlive the first opening of a breaker, which is 30 s."""

LONG = BreakerPolicy().open_cap + TIMEOUT + ours.REDRIVE_LEASE_GRACE + 1
"""Longer than a breaker is open and a lease lasts."""

SCHEDULE = [30.0, 60.0, 60.0, 60.0]

PASS = """
UPDATE events_owed SET due_at = due_at - gone.by, lease_until = lease_until - gone.by
    FROM (SELECT make_interval(secs => %(seconds)s) AS by) AS gone;
UPDATE events_subscription SET resume_at = resume_at - gone.by
    FROM (SELECT make_interval(secs => %(seconds)s) AS by) AS gone WHERE resume_at IS NOT NULL;
UPDATE events_lane SET window_started = window_started - gone.by, opened_at = opened_at - gone.by,
    retry_at = retry_at - gone.by, probe_until = probe_until - gone.by
    FROM (SELECT make_interval(secs => %(seconds)s) AS by) AS gone
"""

SUBSCRIPTIONS = st.integers(0, 1)

DICE = st.integers(0, 10_000).map(random.Random)
"""What is in the tables may not be drawn from: a claim itself casts lots."""


class LanesUnderFire(RuleBasedStateMachine):
    """`in_hand` are claims that a worker still works on, or that the dead may yet report late."""

    @initialize()
    def begin(self) -> None:
        clean_database()
        more = {"max_concurrency": CAP, "timeout": TIMEOUT, "schedule": SCHEDULE}
        self.ordered = make.subscription(ordered=True, **more)
        self.plain = make.subscription(adaptive=True, **more)
        self.in_hand: list[Claim] = []
        self.published: list[UUID] = []

    @rule(keys=st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=6))
    def producers_publish(self, keys: list[str | None]) -> None:
        self.published += make.published(*(make.event(ordering_key=key) for key in keys))

    @rule(want=st.integers(1, 8))
    def a_worker_claims(self, want: int) -> None:
        self.claims_keep_their_laws(want=want)

    @rule(dice=DICE)
    def a_worker_reports(self, dice: random.Random) -> None:
        batch = dice.sample(self.in_hand, k=dice.randint(0, len(self.in_hand)))
        statuses = [dice.choice([200, 200, 500, 503, 422]) for _ in batch]
        self.reports_keep_their_laws(batch, statuses)

    @rule()
    def every_worker_reports_that_its_endpoint_fails(self) -> None:
        self.reports_keep_their_laws(list(self.in_hand), [500] * len(self.in_hand))

    @rule(number=SUBSCRIPTIONS)
    def a_breaker_opens_over_sends_and_is_tried(self, number: int) -> None:
        """So that stragglers are in hand beside a probe, which chance alone hardly brings."""
        operate.enable(actor="a", subscription=self.lane(number))
        self.producers_publish(["a", "b", None])
        self.a_worker_claims(8)
        self.a_person_opens_its_breaker(number, 1.0)
        self.time_passes(1.0)
        self.a_worker_claims(8)

    @rule()
    def the_workers_die(self) -> None:
        self.in_hand = []

    @rule(seconds=st.sampled_from([1.0, 10.0, 31.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        pass_time(seconds)

    @rule(number=SUBSCRIPTIONS, minutes=st.none() | st.just(2))
    def a_person_pauses(self, number: int, minutes: int | None) -> None:
        until = None if minutes is None else timezone.now() + timedelta(minutes=minutes)
        operate.pause(actor="a", subscription=self.lane(number), until=until)

    @rule(number=SUBSCRIPTIONS)
    def a_person_resumes(self, number: int) -> None:
        operate.resume(actor="a", subscription=self.lane(number))

    @rule(number=SUBSCRIPTIONS, seconds=st.sampled_from([1.0, 60.0]))
    def a_person_opens_its_breaker(self, number: int, seconds: float) -> None:
        operate.open_breaker(actor="a", subscription=self.lane(number), seconds=seconds)

    @rule(number=SUBSCRIPTIONS, verb=st.sampled_from(["close_breaker", "reset_breaker"]))
    def a_person_closes_its_breaker(self, number: int, verb: str) -> None:
        getattr(operate, verb)(actor="a", subscription=self.lane(number))
        assert Lane.objects.get(pk=self.lane(number)).state == "closed"

    @rule(dice=DICE, verb=st.sampled_from(["retry", "cancel"]))
    def a_person_retries_or_cancels(self, dice: random.Random, verb: str) -> None:
        owed = list(OwedDelivery.objects.order_by("id").values_list("id", "state"))
        if owed:
            delivery, state = dice.choice(owed)
            try:
                getattr(operate, verb)(actor="a", delivery=delivery)
            except WrongState:
                assert (verb, state) == ("retry", "in_flight")

    @rule()
    def a_parked_lane_is_tried_once_its_time_is_over(self) -> None:
        """No breaker stays out of closed longer than its open time and a lease without a try."""
        pass_time(LONG)
        make.due_now()
        shut = set(Lane.objects.exclude(state="closed").values_list("pk", flat=True))
        active = Subscription.objects.filter(state="active").values_list("id", flat=True)
        owing = OwedDelivery.objects.values_list("subscription", flat=True)
        taken = self.claims_keep_their_laws(want=100)
        tried = [one.subscription for one in taken if one.probe]
        assert sorted(tried) == sorted(shut & set(active) & set(owing))

    @invariant()
    def every_snapshot_keeps_the_laws(self) -> None:
        laws.hold()

    @invariant()
    def what_is_not_closed_has_an_end(self) -> None:
        now, slack = timezone.now(), timedelta(seconds=1)
        most = timedelta(seconds=BreakerPolicy().open_cap)
        for lane in Lane.objects.exclude(state="closed"):
            if lane.state == "half_open":
                limit = timedelta(seconds=TIMEOUT + PROBE_GRACE)
                assert lane.probe_until <= now + limit + slack
            else:
                assert lane.retry_at <= now + most + slack

    def teardown(self) -> None:
        """Everything that is owed ends, once people let it and endpoints are well."""
        for number in (0, 1):
            operate.enable(actor="a", subscription=self.lane(number))
        for _ in range(40 + len(self.published)):
            if not OwedDelivery.objects.exists():
                break
            pass_time(LONG)
            make.due_now()
            record([make.result(one) for one in make.claims()], worker="w")
        laws.hold()
        assert not OwedDelivery.objects.exists()
        assert set(Lane.objects.values_list("state", flat=True)) == {"closed"}

    def lane(self, number: int) -> UUID:
        return (self.ordered, self.plain)[number].id

    def claims_keep_their_laws(self, *, want: int) -> list[Claim]:
        gates, waiting = gates_now(), pending()
        claims = make.claims(want=want)
        self.in_hand += claims
        for one in claims:
            waiting.pop(one.delivery)
        # What was not claimed waits as it did: no attempt spent, due as it was.
        assert pending() == waiting
        for lane, (state, may_take) in gates.items():
            mine = [one for one in claims if one.subscription == lane]
            assert len(mine) <= may_take
            assert {one.probe for one in mine} <= {state != "closed"}
        self.the_order_is_kept(one for one in claims if one.subscription == self.ordered.id)
        return claims

    def the_order_is_kept(self, claims: Iterable[Claim]) -> None:
        owed = OwedDelivery.objects.filter(subscription=self.ordered.id)
        events = dict(owed.values_list("event", "ordering_key"))
        for one in claims:
            before = self.published[: self.published.index(one.event_id)]
            ahead = [e for e in before if e in events and events[e] == events[one.event_id]]
            assert not ahead, "an event overtook one of its key"

    def reports_keep_their_laws(self, batch: list[Claim], statuses: list[int]) -> None:
        leases = dict(OwedDelivery.objects.values_list("id", "lease"))
        late = [one for one in batch if leases.get(one.delivery) != one.lease]
        own = {one.delivery for one in batch if one not in late}
        rows, lanes = owed_rows(late, own), dict(Lane.objects.values_list("pk", "state"))
        pairs = zip(batch, statuses, strict=True)
        record([make.result(c, Responded(s), schedule=SCHEDULE) for c, s in pairs], worker="w")
        self.in_hand = [one for one in self.in_hand if one not in batch]
        assert owed_rows(late, own) == rows, "a late worker moved what was not its own"
        assert Attempt.objects.filter(late=True).count() >= len(late)
        heard = {one.subscription for one in batch if one.probe and one not in late}
        for lane in Lane.objects.all():
            if lanes[lane.pk] == "open" or (lanes[lane.pk] == "half_open" and lane.pk not in heard):
                assert lane.state == lanes[lane.pk], "a send that was no probe moved its breaker"


def pass_time(seconds: float) -> None:
    """As if so long had gone by, with the jobs that run every second."""
    with connection.cursor() as cursor:
        cursor.execute(PASS, {"seconds": seconds})
    rescue_all()
    resume_what_is_due()
    assert not OwedDelivery.objects.filter(lease_until__lt=timezone.now()).exists()


def pending() -> dict[UUID, Any]:
    rows = OwedDelivery.objects.filter(state="pending")
    return {row.pop("id"): row for row in rows.values("id", "attempts", "due_at", "state")}


def owed_rows(late: list[Claim], own: set[UUID]) -> list[Any]:
    """The rows that late claims were of, but those that the same batch reports with its lease."""
    mine = OwedDelivery.objects.filter(id__in={one.delivery for one in late} - own)
    return list(mine.order_by("id").values())


def gates_now() -> dict[UUID, tuple[str, int]]:
    """The state of each lane, and how many may be claimed from it now."""
    found, now = {}, timezone.now()
    for lane in Lane.objects.select_related("subscription"):
        flying = OwedDelivery.objects.filter(subscription=lane.pk, state="in_flight").count()
        width = min(CAP, lane.ramp or CAP, lane.limit or CAP)
        may_take = max(0, width - flying) if lane.state == "closed" else 1
        ends = lane.retry_at if lane.state == "open" else lane.probe_until
        if lane.subscription.state != "active" or (lane.state != "closed" and ends > now):
            may_take = 0
        found[lane.pk] = (lane.state, may_take)
    return found


@pytest.mark.usefixtures("transactional_db")
def test_lanes_keep_every_law_whatever_happens_to_them() -> None:
    run_state_machine_as_test(
        LanesUnderFire,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            # Shrinking takes minutes on a database: add Phase.shrink to look into a failure.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
