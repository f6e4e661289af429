"""A window that is told to stop, and one that cannot store what it has."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from django.db import InterfaceError

from events import hooks
from events.engine import run
from events.hooks import Death
from events.models import Attempt, OwedDelivery
from tests import make
from tests.engine import Engine
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


@contextmanager
def running(engine: Engine) -> Iterator[threading.Event]:
    """A window at work; setting the event tells it to stop. It must have ended soon after."""
    told = threading.Event()
    thread = threading.Thread(target=lambda: engine.run(stopping=told.is_set))
    thread.start()
    try:
        yield told
    finally:
        told.set()
        thread.join(timeout=10)
    assert not thread.is_alive()


def test_sends_without_an_answer_in_time_are_given_back(
    engine: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "STOPS_WITHIN", 0.2)
    make.backlog(make.subscription(receiver.url("/hang"), timeout=60.0), 3)
    with running(engine) as told:
        receiver.wait(3)
        told.set()
    rows = OwedDelivery.objects.values_list("state", "attempts", "lease", "worker")
    assert list(rows) == [("pending", 0, None, "")] * 3
    assert not Attempt.objects.exists()


def test_answers_that_come_after_the_stop_are_recorded(engine: Engine, receiver: Receiver) -> None:
    delivery = make.owed(make.subscription(receiver.url("/hold"), timeout=60.0))
    with running(engine) as told:
        receiver.wait(1)
        told.set()
        receiver.release()
    assert make.delivery(delivery).state == "delivered"


def test_nothing_is_claimed_after_the_stop(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/hold"), max_concurrency=1)
    make.backlog(to, 2)
    with running(engine) as told:
        receiver.wait(1)
        told.set()
        receiver.release()
    assert len(receiver.requests) == 1
    assert OwedDelivery.objects.get().state == "pending"


@contextmanager
def hears(heard: object) -> Iterator[None]:
    hooks.on_dead.append(heard)  # type: ignore[arg-type]
    try:
        yield
    finally:
        hooks.on_dead.remove(heard)  # type: ignore[arg-type]


def test_a_fault_of_our_own_in_recording_costs_no_other_verdict(
    engine: Engine, receiver: Receiver
) -> None:
    """Whatever it is: the window goes on to record what else has finished."""
    bad = make.owed(make.subscription(receiver.url("/status/500"), schedule=[]))
    good = [make.owed(make.subscription(receiver.url("/ok"))) for _ in range(3)]

    def refuse(deaths: Sequence[Death]) -> None:
        raise LookupError("no such thing")

    with hears(refuse):
        engine.run()
    assert {make.delivery(one).state for one in good} == {"delivered"}
    row = OwedDelivery.objects.get(id=bad)
    assert (row.state, row.strikes) == ("pending", 1)


def test_a_connection_that_broke_under_a_record_is_made_anew(
    engine: Engine, receiver: Receiver
) -> None:
    delivery = make.owed(make.subscription(receiver.url("/status/500"), schedule=[]))
    times: list[int] = []

    def breaks_once(deaths: Sequence[Death]) -> None:
        times.append(len(deaths))
        if len(times) == 1:
            raise InterfaceError("connection already closed")

    with hears(breaks_once):
        engine.run()
    assert times == [1, 1]
    assert make.delivery(delivery).state == "dead"
