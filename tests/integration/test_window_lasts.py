"""How long a window lasts: no send that hangs keeps what is due waiting for it."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from events.engine import pump, run
from events.models import OwedDelivery
from tests import make
from tests.engine import Engine
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


def test_time_that_is_up_ends_no_window_in_which_a_send_hangs(receiver: Receiver) -> None:
    engine = Engine()
    try:
        hanging = make.owed(make.subscription(receiver.url("/hold"), timeout=60.0))
        running = threading.Thread(target=engine.run, kwargs={"seconds": 0.3})
        running.start()
        receiver.wait(1)
        good = make.subscription(receiver.url("/ok"))
        for n in range(3):  # The first ones wait for PATIENT at most, which is not over yet.
            make.owed(good)
            receiver.wait(2 + n)
        assert make.delivery(hanging).state == "in_flight"
        receiver.release()
        running.join(timeout=10)
        assert not running.is_alive()
        assert OwedDelivery.objects.count() == 0
    finally:
        engine.close()


def test_time_that_is_up_ends_a_window_though_there_is_more(
    engine: Engine, receiver: Receiver
) -> None:
    make.backlog(make.subscription(receiver.url("/slow/0.05"), max_concurrency=1), 20)
    assert 0 < engine.run(seconds=0.3) < 20


def test_a_lost_session_keeps_nobody_waiting_for_a_send_that_hangs(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "PATIENT", 0.0)
    engine = Engine()
    try:
        make.owed(make.subscription(receiver.url("/hold"), timeout=60.0))
        running = threading.Thread(target=engine.run)
        running.start()
        receiver.wait(1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'redrive' AND pid <> pg_backend_pid()"
            )
        make.owed(make.subscription(receiver.url("/ok")))
        receiver.wait(2)
        receiver.release()
        running.join(timeout=10)
        assert not running.is_alive()
        assert OwedDelivery.objects.count() == 0
    finally:
        engine.close()
        connection.close_pool()


def test_nothing_is_claimed_once_it_is_over(engine: Engine, receiver: Receiver) -> None:
    make.backlog(make.subscription(receiver.url("/hold"), max_concurrency=1), 2)
    over = threading.Event()
    running = threading.Thread(target=engine.run, kwargs={"over": over.is_set})
    running.start()
    receiver.wait(1)
    over.set()
    receiver.release()
    running.join(timeout=10)
    assert (len(receiver.requests), OwedDelivery.objects.count()) == (1, 1)


@pytest.mark.parametrize(("name", "value"), [("unfit", "its clock is wrong"), ("parent", -1)])
def test_a_pump_whose_process_is_out_claims_no_more(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    """Found unfit meanwhile, or left behind by its Celery worker."""
    monkeypatch.setattr(pump, "CHECKED", -1.0)
    make.backlog(make.subscription(receiver.url("/hold"), max_concurrency=1), 2)

    def pumps() -> None:
        try:
            pump.pump(beats=False)
        finally:
            connection.close()

    running = threading.Thread(target=pumps)
    running.start()
    receiver.wait(1)
    monkeypatch.setattr(pump._this_process(), name, value)
    receiver.release()
    running.join(timeout=10)
    assert (len(receiver.requests), OwedDelivery.objects.count()) == (1, 1)
