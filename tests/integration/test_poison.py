"""Poison: an event that endpoints refuse for its content is marked, and harms nobody else."""

from __future__ import annotations

import pytest

from dlq.models import DeadLetter, Signature
from events import hooks, operate
from events.engine import poison
from events.engine.poison import Refusal
from events.models import Lane, Poison
from events.rules.outcome import Responded
from tests import make
from tests.engine import Engine
from tests.faults import together
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


def test_three_endpoints_that_refuse_its_content_make_an_event_poison(
    engine: Engine, receiver: Receiver
) -> None:
    for _ in range(3):
        make.subscription(receiver.url("/status/422"))
    make.subscription(receiver.url("/status/500"), schedule=[])
    make.subscription(receiver.url("/ok"))
    [event] = make.published(make.event())
    engine.run()
    mark = Poison.objects.mark_of(event)
    assert mark is not None
    assert mark.words == "3 endpoints refuse its content, in 3 attempts"
    # It is the event's fault: no endpoint that refused it is held to be failing.
    assert Lane.objects.filter(failures__gt=0).count() == 1


def test_ten_refusals_of_one_endpoint_are_enough_and_nine_are_not(
    engine: Engine, receiver: Receiver
) -> None:
    make.subscription(receiver.url("/status/400"), schedule=[1.0] * 12)
    [event] = make.published(make.event())
    for _ in range(poison.ATTEMPTS - 1):
        engine.run()
        make.due_now()
    assert Poison.objects.mark_of(event) is None
    engine.run()
    mark = Poison.objects.mark_of(event)
    assert mark is not None
    assert (len(mark.subscriptions), mark.attempts) == (1, poison.ATTEMPTS)


def test_an_event_that_one_endpoint_refuses_until_it_is_dead_is_poison() -> None:
    to = make.subscription(schedule=[1.0])
    [event] = make.published(make.event())
    make.recorded(Responded(422), schedule=[1.0])
    assert Poison.objects.mark_of(event) is None
    make.due_now()
    make.recorded(Responded(422), schedule=[1.0])
    mark = Poison.objects.mark_of(event)
    assert mark is not None
    assert (mark.subscriptions, mark.words) == (
        [to.id],
        "1 endpoint refuses its content, in 2 attempts",
    )
    assert DeadLetter.objects.get().reason.startswith(
        "poison: 2 attempts, the last refused for its content with 422"
    )


def test_an_event_that_dies_of_its_endpoint_is_not_poison() -> None:
    make.subscription(schedule=[1.0])
    [event] = make.published(make.event())
    make.recorded(Responded(422), schedule=[1.0])
    make.due_now()
    make.recorded(Responded(500), schedule=[1.0])
    assert Poison.objects.mark_of(event) is None
    assert DeadLetter.objects.get().reason.startswith("2 attempts failed")


def test_dead_letters_of_one_refusal_are_one_group_however_often_they_were_tried() -> None:
    to = make.subscription()
    make.owed(to)
    make.recorded(Responded(400), body=b"bad 1", schedule=[1.0])
    make.due_now()
    make.owed(to)
    make.recorded(Responded(400), body=b"bad 2")
    assert DeadLetter.objects.count() == 2
    assert Signature.objects.get().total == 2


def test_refusals_that_are_recorded_at_once_are_all_counted(transactional_db: None) -> None:
    events = make.published(*(make.event() for _ in range(4)))
    to = [make.subscription().id for _ in range(2)]
    found = [Refusal(event, subscription, died=False) for event in events for subscription in to]
    together([lambda: poison.mark(found), lambda: poison.mark(reversed(found))] * 4)
    rows = Poison.objects.all()
    assert {row.attempts for row in rows} == {16}
    assert {len(row.subscriptions) for row in rows} == {2}


def test_open_pages_are_told_what_a_person_changed(transactional_db: None) -> None:
    heard: list[str] = []
    hooks.on_change.append(heard.extend)
    try:
        to = make.subscription()
        delivery = make.owed(to)
        operate.pause(actor="a", subscription=to.id)
        assert heard == [to.public_id]
        operate.cancel(actor="a", delivery=delivery)
        assert make.delivery(delivery).public_id in heard
    finally:
        hooks.on_change.remove(heard.extend)
