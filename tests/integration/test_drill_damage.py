"""Each law of the drills sees its own damage, to what is stored or to what arrived, and no other.

What is damaged is the end of a small drill at which all is right: events to three lanes, each
delivered once and answered with 200.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.db.models import Model

from drills import laws
from drills.laws import Evidence, Ledger, audit, ledger, still_owed
from drills.rig import PATHS
from events.models import (
    Attempt,
    Delivery,
    Event,
    FinishedDelivery,
    Lane,
    LedgerEntry,
    OwedDelivery,
    Subscription,
)
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.outcome import Responded
from events.uuids import new_uuid
from tests import make
from tests.integration.test_drill_laws import connect

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "k"
EVENTS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """What a small drill left: its lanes by path, and both journals."""

    lanes: dict[str, Subscription]
    accepted: dict[str, str]
    received: list[dict[str, Any]]
    database: psycopg.Connection[Any]

    @property
    def evidence(self) -> Evidence:
        lanes = [lane.id for lane in self.lanes.values()]
        return Evidence(self.accepted, self.received, lanes, 5.0, 1, (), self.database)

    @property
    def line(self) -> dict[str, Any]:
        """Of the first request that the plain endpoint got."""
        return self.received[0]

    @property
    def delivery(self) -> FinishedDelivery:
        """What that line is of."""
        return FinishedDelivery.objects.get(id=ids.decode(Prefix.DELIVERY, self.line["id"]))


def publish(name: str, **fields: Any) -> str:
    """An event as the producer of the drills has them; gives the id that it was given."""
    given = {"type": "drill", "source": "/drill", "producer_event_id": name, "ordering_key": KEY}
    [made] = make.published(make.event(**(given | fields)))
    return ids.encode(Prefix.EVENT, made)


def arrived(delivery: Delivery, path: str, number: int) -> dict[str, Any]:
    """The receiver's line of a request that was taken."""
    return {
        "at": 100.0 + number,
        "path": path,
        "id": ids.encode(Prefix.DELIVERY, delivery.webhook_id),
        "status": 200,
        "signed": True,
        "key": KEY,
        "number": number,
        "hop": f"00-{delivery.event.hex}-{'0' * 16}-01",
    }


@pytest.fixture
def run() -> Iterator[Run]:
    lanes = {path: make.subscription(types=["drill"], ordered=path == "/ordered") for path in PATHS}
    numbers = range(1, EVENTS + 1)
    accepted = {}
    for number in numbers:
        accepted[f"1-{number}"] = publish(f"1-{number}")
        make.recorded(Responded(200))
    received = []
    for path, lane in lanes.items():
        taken = Delivery.objects.filter(subscription=lane.id).order_by("id")
        received += [arrived(*each) for each in zip(taken, [path] * EVENTS, numbers, strict=True)]
    with connect() as database:
        yield Run(lanes, accepted, received, database)


def copy(row: Model, **fields: object) -> None:
    """Another row like it."""
    for name, value in {"id": new_uuid(), **fields}.items():
        setattr(row, name, value)
    row.save(force_insert=True)


def lose_an_event(run: Run) -> str:
    Event.objects.filter(producer_event_id="1-2").delete()
    return "event 1-2 was accepted and is not stored"


def accept_what_is_not_stored(run: Run) -> str:
    run.accepted["1-4"] = ids.encode(Prefix.EVENT, new_uuid())
    return "event 1-4 was accepted and is not stored"


def answer_with_another_id(run: Run) -> str:
    run.accepted["1-1"] = other = ids.encode(Prefix.EVENT, new_uuid())
    return f"event 1-1 was accepted as {other} and is stored as another"


def forget_a_lane(run: Run) -> str:
    run.delivery.delete()
    run.received.remove(run.line)
    return "event 1-1 has 2 deliveries to 2 subscriptions"


def owe_one_lane_for_another(run: Run) -> str:
    other = run.lanes["/flaky"].id
    FinishedDelivery.objects.filter(id=run.delivery.id).update(subscription=other)
    return "event 1-1 has 3 deliveries to 2 subscriptions"


def owe_twice(run: Run) -> str:
    copy(run.delivery)
    return "event 1-1 has 4 deliveries to 3 subscriptions"


def store_twice(run: Run) -> str:
    publish("1-1")
    make.recorded(Responded(200))
    again = Delivery.objects.order_by("-id")[: len(PATHS)]
    for one in again:
        run.received.append(arrived(one, "/ok", EVENTS + 1))
    return "event 1-1 has 6 deliveries to 3 subscriptions"


def never_arrive(run: Run) -> str:
    run.received.remove(line := run.line)
    return f"{line['id']} is called delivered and never arrived"


def arrive_and_be_refused(run: Run) -> str:
    run.line["status"] = 500
    return f"{run.line['id']} is called delivered and never arrived"


def arrive_from_nowhere(run: Run) -> str:
    unknown = ids.encode(Prefix.DELIVERY, new_uuid())
    run.received.append(run.line | {"id": unknown})
    return f"{unknown} arrived and is not known"


def count_one_too_many(run: Run) -> str:
    lane = run.lanes["/ok"].id
    LedgerEntry.objects.create(subscription=lane, created=1)
    return f"lane {lane}: the ledger says 1 are owed, 0 are"


def forget_one_that_is_owed(run: Run) -> str:
    aside = make.subscription(types=["aside"])
    make.owed(aside, type="aside")
    OwedDelivery.objects.filter(subscription=aside.id).delete()
    return f"lane {aside.id}: the ledger says 1 are owed, 0 are"


def owe_without_a_count(run: Run) -> str:
    aside = make.subscription(types=["aside"])
    make.owed(aside, type="aside")
    LedgerEntry.objects.filter(subscription=aside.id).delete()
    return f"lane {aside.id}: the ledger says 0 are owed, 1 are"


def die(run: Run) -> str:
    FinishedDelivery.objects.filter(id=run.delivery.id).update(state="dead")
    return f"1 to {make.NOWHERE} are dead, the breaker is closed (opens in None), due in None"


def cancel(run: Run) -> str:
    FinishedDelivery.objects.filter(id=run.delivery.id).update(state="cancelled")
    return f"1 to {make.NOWHERE} are cancelled, the breaker is closed (opens in None), due in None"


def arrive_out_of_order(run: Run) -> str:
    [first, second] = [line for line in run.received if line["path"] == "/ordered"][:2]
    first["number"], second["number"] = 2, 1
    return f"key {KEY}: 1 came after 2"


def arrive_after_the_last(run: Run) -> str:
    ordered = [line for line in run.received if line["path"] == "/ordered"]
    run.received.remove(ordered[0])
    run.received.append(ordered[0])
    return f"key {KEY}: 1 came after 3"


def try_twice(run: Run) -> str:
    copy(Attempt.objects.get(delivery=run.delivery.id))
    return f"{run.line['id']} was tried 2 times, not 1"


def sign_wrongly(run: Run) -> str:
    run.line["signed"] = False
    return f"{run.line['id']} came with a wrong signature"


DAMAGE = (
    (laws.lost_events, lose_an_event),
    (laws.lost_events, accept_what_is_not_stored),
    (laws.lost_events, answer_with_another_id),
    (laws.wrong_fan_out, forget_a_lane),
    (laws.wrong_fan_out, owe_one_lane_for_another),
    (laws.wrong_fan_out, owe_twice),
    (laws.wrong_fan_out, store_twice),
    (laws.false_deliveries, never_arrive),
    (laws.false_deliveries, arrive_and_be_refused),
    (laws.false_deliveries, arrive_from_nowhere),
    (laws.unaccounted, count_one_too_many),
    (laws.unaccounted, forget_one_that_is_owed),
    (laws.unaccounted, owe_without_a_count),
    (laws.still_owed, die),
    (laws.still_owed, cancel),
    (laws.disorder, arrive_out_of_order),
    (laws.disorder, arrive_after_the_last),
    (laws.tried_too_often, try_twice),
    (laws.unsigned, sign_wrongly),
)


@pytest.mark.parametrize(("law", "damage"), DAMAGE, ids=lambda one: one.__name__)
def test_damage_is_seen_by_its_law_alone(
    law: Callable[..., object], damage: Callable[[Run], str], run: Run
) -> None:
    assert audit(run.evidence) == []

    words = damage(run)

    assert audit(run.evidence) == [f"{law.__name__}: 1, such as {words}"]


def test_every_law_of_the_audit_but_that_of_held_lanes_is_damaged_here() -> None:
    assert {law for law, _ in DAMAGE} == {*laws.LAWS} - {laws.sent_while_held}


def test_a_law_that_is_broken_often_comes_with_its_number_and_three_examples(run: Run) -> None:
    for number in range(1, 6):
        run.accepted[f"2-{number}"] = "evt_x"

    [words] = audit(run.evidence)

    lost = "; ".join(f"event 2-{n} was accepted and is not stored" for n in (1, 2, 3))
    assert words == f"lost_events: 5, such as {lost}"


def test_a_repeat_a_refusal_a_late_attempt_and_a_replay_break_no_law(run: Run) -> None:
    [first, *_] = [line for line in run.received if line["path"] == "/ordered"]
    run.received.extend([dict(first), first | {"id": "dlv_x", "status": 500}])
    copy(Attempt.objects.get(delivery=run.delivery.id), late=True)
    copy(run.delivery, replay=new_uuid())
    assert audit(run.evidence) == []


def test_what_waits_and_what_is_in_flight_are_still_owed_and_the_breaker_is_named(run: Run) -> None:
    run.accepted["1-4"] = publish("1-4")
    [waits, *_] = still_owed(run.evidence)
    assert waits.startswith(f"3 to {make.NOWHERE} are pending, the breaker is closed (opens in N")

    OwedDelivery.objects.update(due_at="2099-01-01T00:00:00Z")
    Lane.objects.update(state="open", retry_at="2099-01-01T00:00:00Z")
    [waits] = still_owed(run.evidence)
    assert " pending, the breaker is open (opens in 2" in waits
    assert ", due in 2" in waits

    Lane.objects.update(state="closed", retry_at=None)
    make.due_now()
    assert len(make.claims()) == len(PATHS)
    [flies] = still_owed(run.evidence)
    assert flies.startswith(f"3 to {make.NOWHERE} are in_flight, the breaker is closed (opens in N")


def test_the_ledger_is_summed_over_all_lanes(run: Run) -> None:
    assert ledger(run.database) == Ledger(created=9, delivered=9)
    publish("1-4")
    now = ledger(run.database)
    assert (now, now.owed) == (Ledger(created=12, delivered=9), 3)
