"""How long a window lasts: no send that hangs keeps what is due waiting for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from django.db import connection

from events.engine import pump, run
from events.models import OwedDelivery
from tests import make
from tests.engine import Engine
from tests.faults import alone, kill_other_sessions
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


@contextmanager
def at_work(work: Callable[[], object], receiver: Receiver) -> Iterator[None]:
    """In a thread, of which the first request has come; it ends once what is held is let go."""
    thread = threading.Thread(target=work)
    thread.start()
    receiver.wait(1)
    yield
    receiver.release()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_time_that_is_up_ends_no_window_in_which_a_send_hangs(
    engine: Engine, receiver: Receiver
) -> None:
    hanging = make.owed(make.subscription(receiver.url("/hold"), timeout=60.0))
    with at_work(partial(engine.run, seconds=0.3), receiver):
        good = make.subscription(receiver.url("/ok"))
        for n in range(3):  # The first ones wait for PATIENT at most, which is not over yet.
            make.owed(good)
            receiver.wait(2 + n)
        assert make.delivery(hanging).state == "in_flight"
    assert OwedDelivery.objects.count() == 0


def test_what_is_recorded_makes_room_at_once(
    engine: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a lane at its cap: not only at the next look."""
    monkeypatch.setattr(run, "LOOKS", 30.0)
    make.backlog(make.subscription(receiver.url("/ok"), max_concurrency=1), 5)
    assert engine.run(seconds=20) == 5


def test_time_that_is_up_ends_a_window_though_there_is_more(
    engine: Engine, receiver: Receiver
) -> None:
    make.backlog(make.subscription(receiver.url("/slow/0.05"), max_concurrency=1), 20)
    assert 0 < engine.run(seconds=0.3) < 20


def test_a_lost_session_keeps_nobody_waiting_for_a_send_that_hangs(
    engine: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PATIENT", 0.0)
    make.owed(make.subscription(receiver.url("/hold"), timeout=60.0))
    with at_work(engine.run, receiver):
        kill_other_sessions()
        make.owed(make.subscription(receiver.url("/ok")))
        receiver.wait(2)
    assert OwedDelivery.objects.count() == 0
    connection.close_pool()


def test_nothing_is_claimed_once_it_is_over(engine: Engine, receiver: Receiver) -> None:
    make.backlog(make.subscription(receiver.url("/hold"), max_concurrency=1), 2)
    over = threading.Event()
    with at_work(partial(engine.run, over=over.is_set), receiver):
        over.set()
    assert (len(receiver.requests), OwedDelivery.objects.count()) == (1, 1)


@pytest.mark.usefixtures("new_process")
@pytest.mark.parametrize(("name", "value"), [("unfit", "its clock is wrong"), ("parent", -1)])
def test_a_pump_whose_process_is_out_claims_no_more(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """Found unfit meanwhile, or left behind by its Celery worker."""
    monkeypatch.setattr(pump, "CHECKED", -1.0)
    make.backlog(make.subscription(receiver.url("/hold"), max_concurrency=1), 2)
    with at_work(partial(alone, partial(pump.pump, beats=False)), receiver):
        monkeypatch.setattr(pump._this_process(), name, value)
    assert (len(receiver.requests), OwedDelivery.objects.count()) == (1, 1)
