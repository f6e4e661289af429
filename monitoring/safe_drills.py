"""The safe drills: what each does to its own stage, and what must be seen."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.conf import settings

from dlq import replay
from dlq.models import DeadLetter, Replay, ReplayState
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.select import Criteria
from events.models import Delivery, Lane, Subscription
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.states import BreakerState, DeliveryState
from monitoring.drilling import ACTOR, Broken, SafeDrill, Stage

MANY = 5
QUIET = 2.0
"""Seconds in which an open breaker is seen to send nothing."""


def deliver(stage: Stage) -> str:
    """Publish; each event arrives once, signed."""
    to = stage.subscribe("/good", [1.0])
    stage.publish(MANY)
    took = stage.until(f"{MANY} deliveries", lambda: len(_delivered(stage, to)) == MANY)
    arrivals = stage.receiver.at("/good")
    if not all(one.signed for one in arrivals):
        raise Broken("a request came with a signature that does not hold")
    _same(_known(stage.deliveries(to)), [one.webhook_id for one in arrivals])
    return f"{MANY} of {MANY} arrived once, signed, after {took:.1f} s"


def retry_bury_replay(stage: Stage) -> str:
    """A failing endpoint: tried again, then dead, then replayed under the same webhook-id."""
    to = stage.subscribe("/fails", [0.2])
    stage.receiver.failing.add("/fails")
    stage.publish(1)
    letters = DeadLetter.objects.open().filter(subscription=to.id)
    stage.until("a dead letter", letters.exists)
    tried = len(stage.receiver.at("/fails"))
    if tried != 2:
        raise Broken(f"the endpoint was tried {tried} times, not twice")
    stage.receiver.failing.clear()
    criteria = Criteria(subscription=to.id)
    order = Order(ReplaySource.DEAD_LETTERS, criteria, token=f"drill-{stage.type}")
    job = replay.start(order, actor=ACTOR)
    took = stage.until("the replayed delivery", lambda: len(_delivered(stage, to)) == 1)
    stage.until("the replay's end", Replay.objects.filter(pk=job.pk, state=ReplayState.DONE).exists)
    if letters.exists():
        raise Broken("the dead letter is open after its replay")
    if len(seen := {one.webhook_id for one in stage.receiver.at("/fails")}) != 1:
        raise Broken(f"one event came under {len(seen)} webhook-ids")
    return f"2 attempts, a dead letter, replayed under the same webhook-id after {took:.1f} s"


def park_and_recover(stage: Stage) -> str:
    """Failures open the breaker; what is owed is parked and spends nothing; then all arrives."""
    to = stage.subscribe("/breaks", [0.2] * 20)
    stage.receiver.failing.add("/breaks")
    stage.publish(MANY)
    stage.until("an open breaker", lambda: _breaker(to) == BreakerState.OPEN)
    stage.until("the end of the sends under way", lambda: not _in_flight(stage, to))
    before = len(stage.receiver.at("/breaks"))
    stage.publish(MANY)
    time.sleep(min(QUIET, settings.REDRIVE_BREAKER_OPEN / 2))
    spent = len(stage.receiver.at("/breaks")) - before
    # One is the probe of a breaker whose time was over just then.
    if spent > 1:
        raise Broken(f"{spent} requests came while the breaker was open")
    stage.receiver.failing.clear()
    within = settings.REDRIVE_BREAKER_OPEN * 4 + 30
    took = stage.until(
        f"{2 * MANY} deliveries", lambda: len(_delivered(stage, to)) == 2 * MANY, within=within
    )
    stage.until("a closed breaker", lambda: _breaker(to) == BreakerState.CLOSED)
    return f"opened after {before} requests, parked {2 * MANY}, all arrived {took:.1f} s later"


DRILLS = (
    SafeDrill("publish and deliver", "each event arrives once, signed", deliver),
    SafeDrill(
        "failing endpoint", "retried, dead letter, replayed under the same id", retry_bury_replay
    ),
    SafeDrill("breaker", "opens, parks without spending attempts, recovers", park_and_recover),
)


def _delivered(stage: Stage, to: Subscription) -> list[Delivery]:
    return [one for one in stage.deliveries(to) if one.state == DeliveryState.DELIVERED]


def _in_flight(stage: Stage, to: Subscription) -> list[Delivery]:
    return [one for one in stage.deliveries(to) if one.state == DeliveryState.IN_FLIGHT]


def _known(deliveries: Sequence[Delivery]) -> list[str]:
    return [ids.encode(Prefix.DELIVERY, one.webhook_id) for one in deliveries]


def _same(owed: Sequence[str], arrived: Sequence[str]) -> None:
    if sorted(owed) != sorted(arrived):
        raise Broken(f"{len(owed)} were owed, {len(arrived)} arrived: not the same")


def _breaker(to: Subscription) -> str:
    return Lane.objects.values_list("state", flat=True).get(pk=to.id)
