"""The dispatcher: its jobs, its stop, and its own deliveries while the broker is away."""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait

import pytest
from celery import current_app
from django.db import connection
from pytest_django import Settings

from events.engine import pump
from events.heartbeat import beat
from events.management.commands.dispatch import Dispatcher
from events.models import OwedDelivery
from events.models.process import Role
from tests import make
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


def sessions() -> int:
    """How many this process has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'redrive'"
        )
        (many,) = cursor.fetchone()
    return int(many)


@pytest.mark.usefixtures("new_process")
def test_each_pump_of_its_own_gives_its_connection_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "CHECKED", -1.0)
    dispatcher = Dispatcher()
    seen = []
    for _ in range(5):
        dispatcher._pump_here()
        assert dispatcher._own is not None
        dispatcher._own.join(timeout=10)
        seen.append(sessions())
    assert seen[-1] == seen[1], seen


def test_jobs_that_take_long_keep_no_other_from_its_turn(settings: Settings) -> None:
    """Even where all but one take for ever."""
    free, ran = threading.Event(), threading.Event()

    def takes_long() -> None:
        free.wait(30)

    def is_short() -> None:
        ran.set()

    long = [f"test.long{n}" for n in range(19)]
    for name in long:
        current_app.task(name=name, lazy=False)(takes_long)
    current_app.task(name="test.short", lazy=False)(is_short)
    settings.REDRIVE_JOBS = dict.fromkeys([*long, "test.short"], 60.0)
    dispatcher = Dispatcher()
    try:
        dispatcher.tick()
        assert ran.wait(10)
        assert not dispatcher.close()
    finally:
        free.set()
        for name in settings.REDRIVE_JOBS:
            current_app.tasks.unregister(name)
    assert dispatcher.close()


def held() -> int:
    """Connections that a thread of this process has and did not give back."""
    stats = connection.pool.get_stats()
    return int(stats["pool_size"] - stats["pool_available"])


def test_every_job_gives_its_connection_back(settings: Settings) -> None:
    settings.REDRIVE_JOBS = {"events.rescue": 0.0, "events.roll": 0.0, "events.resume": 0.0}
    connection.ensure_connection()
    dispatcher, before = Dispatcher(), held()
    dispatcher.tick()
    wait(dispatcher._running.values())
    ends = time.monotonic() + 5
    while held() > before and time.monotonic() < ends:  # The pool takes them back in its own time.
        time.sleep(0.01)
    assert held() == before
    assert dispatcher.close()


@pytest.mark.usefixtures("new_process")
def test_a_stop_waits_for_the_sends_of_its_own_pump(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "CHECKED", -1.0)
    told = threading.Event()
    monkeypatch.setattr(pump, "stopping", told.is_set)
    delivery = make.owed(make.subscription(receiver.url("/hold"), timeout=60.0))
    dispatcher = Dispatcher()
    dispatcher._pump_here()
    receiver.wait(1)
    told.set()
    receiver.release()
    assert dispatcher.close()
    assert make.delivery(delivery).state == "delivered"


@pytest.mark.usefixtures("new_process")
def test_its_own_pump_claims_no_more_once_workers_deliver(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(pump, "CHECKED", -1.0)
    settings.REDRIVE_JOBS = {"events.roll": 60.0}
    make.backlog(make.subscription(receiver.url("/hold"), max_concurrency=1), 2)
    dispatcher = Dispatcher()
    dispatcher._pump_here()
    assert dispatcher._own is not None
    receiver.wait(1)
    beat("other", Role.WORKER, doing="pumping", load={})
    dispatcher.tick()
    receiver.release()
    dispatcher._own.join(timeout=10)
    assert (len(receiver.requests), OwedDelivery.objects.count()) == (1, 1)
    assert dispatcher.close()
