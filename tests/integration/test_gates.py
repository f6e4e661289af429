"""What recorded results do to the gate of a lane."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from events import operate
from events.engine.claim import Claim
from events.engine.record import record
from events.engine.rescue import rescue_all
from events.models import Lane, OwedDelivery
from events.rules.outcome import Responded, TimedOut, TimeoutPhase
from tests import make

pytestmark = pytest.mark.usefixtures("lawful")


def its_time_is_over() -> None:
    Lane.objects.update(retry_at=timezone.now() - timedelta(seconds=1))


def reported(claims: list[Claim], status: int = 200) -> Lane:
    """Each in a record of its own; the lane afterwards."""
    for one in claims:
        record([make.result(one, Responded(status), schedule=[60.0])], worker="w")
    return Lane.objects.get()


def opened_with_stragglers() -> tuple[list[Claim], list[Claim]]:
    """Five of ten sends have failed: the probe, and the five that are still under way."""
    make.backlog(make.subscription(max_concurrency=10), 40)
    first = make.claims()
    assert reported(first[:5], 500).state == "open"
    its_time_is_over()
    probe = make.claims()
    assert [one.probe for one in probe] == [True]
    return probe, first[5:]


def test_sends_from_before_it_opened_neither_close_nor_prolong_it() -> None:
    probe, late = opened_with_stragglers()
    record([make.result(one, TimedOut(TimeoutPhase.TOTAL, "")) for one in late[:4]], worker="w")
    assert Lane.objects.get().state == "half_open"
    assert reported(late[4:]).state == "half_open"
    assert reported(probe).state == "closed"


def test_a_probe_that_failed_is_not_made_good_by_an_older_send() -> None:
    probe, late = opened_with_stragglers()
    record([make.result(one) for one in late], worker="w")
    lane = reported(probe, 500)
    assert (lane.state, lane.opened_times) == ("open", 2)


def test_sends_from_before_it_opened_do_not_open_it_again_once_its_probe_arrived() -> None:
    probe, late = opened_with_stragglers()
    assert reported(probe).state == "closed"
    lane = reported(late, 500)
    assert (lane.state, lane.failures) == ("closed", 0)
    assert reported(make.claims()).ramp == 2


def test_a_lane_doubles_a_round_trip_though_each_result_is_recorded_alone() -> None:
    to = make.subscription(max_concurrency=20)
    make.backlog(to, 60)
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    its_time_is_over()
    widths = []
    for _ in range(7):
        claims = make.claims()
        widths.append(len(claims))
        reported(claims)
    assert widths == [1, 1, 2, 4, 8, 16, 20]


def answered(milliseconds: float, *, first: int = 200) -> Lane:
    """One batch of what can be claimed, each answered after so long; the lane afterwards."""
    claims = make.claims()
    statuses = [first] + [200] * len(claims)
    results = [
        make.result(one, Responded(status), schedule=[60.0])
        for one, status in zip(claims, statuses, strict=False)
    ]
    for one in results:
        one.sent.total_ms = milliseconds
    record(results, worker="w")
    return Lane.objects.get()


def test_an_adaptive_lane_narrows_while_its_endpoint_is_slow_and_widens_again() -> None:
    make.backlog(make.subscription(max_concurrency=9, adaptive=True), 80)
    assert (answered(50.0).limit, Lane.objects.get().usual_ms) == (9, 50.0)
    assert answered(200.0).limit == 6
    assert len(make.claims()) == 6
    make_pending_again()
    assert answered(50.0, first=500).limit == 4
    assert [answered(50.0).limit for _ in range(6)] == [5, 6, 7, 8, 9, 9]


def test_a_lane_that_is_not_adaptive_has_no_limit_of_its_own() -> None:
    make.backlog(make.subscription(max_concurrency=9), 20)
    answered(50.0)
    assert answered(900.0).limit is None


def make_pending_again() -> None:
    OwedDelivery.objects.filter(state="in_flight").update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    rescue_all()
