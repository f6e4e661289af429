"""Poison: an event that endpoints refuse for its content is marked, and harms nobody else."""

from __future__ import annotations

import pytest

from events import hooks, operate
from events.engine import poison
from events.models import Lane, Poison
from tests import make
from tests.engine import Engine
from tests.faults import together
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


def test_three_endpoints_that_refuse_its_content_make_an_event_poison(
    engine: Engine, receiver: Receiver
) -> None:
    for _ in range(3):
        make.subscription(receiver.url("/status/422"), schedule=[])
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


def test_refusals_that_are_recorded_at_once_are_all_counted(transactional_db: None) -> None:
    events = make.published(*(make.event() for _ in range(4)))
    to = [make.subscription().id for _ in range(2)]
    pairs = [(event, subscription) for event in events for subscription in to]
    together([lambda: poison.mark(pairs), lambda: poison.mark(reversed(pairs))] * 4)
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
