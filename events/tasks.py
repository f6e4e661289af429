"""The messages that Celery carries: there is work. What the work is, Postgres knows."""

from __future__ import annotations

import os
from typing import Any

from celery import current_app, shared_task
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down
from kombu.exceptions import OperationalError

from events import bulk, ledger, load
from events.engine import fanout, health, pump, rescue, retention, stop, text, trial
from events.heartbeat import leave, process_name
from events.vitals import raise_handle_limit

HINT_LIVES = 5
"""Seconds after which a hint that nobody took is void: the dispatcher asks again."""


@shared_task(name="events.pump")
def pump_due() -> None:
    """Delivers what is due."""
    pump.pump()


@shared_task(name="events.rescue")
def rescue_leases() -> None:
    """Makes deliveries due again that a dead worker held."""
    rescue.rescue_all()


@shared_task(name="events.health")
def disable_failing() -> None:
    """Stops trying endpoints that have failed for days."""
    health.disable_failing()


@shared_task(name="events.load")
def update_load() -> None:
    """Keeps the load level."""
    load.update()


@shared_task(name="events.expand")
def expand_fan_outs() -> None:
    """Makes the deliveries that a publish with very many matches left over."""
    fanout.expand_all()


@shared_task(name="events.resume")
def resume_paused() -> None:
    """Ends the pauses whose time is over."""
    health.resume_what_is_due()


@shared_task(name="events.test")
def send_tests() -> None:
    """Sends the tests that people asked for."""
    trial.send_tests()


@shared_task(name="events.probe")
def probe_what_rests() -> None:
    """Sees once a day whether an endpoint that is not tried any more is back."""
    health.probe_what_rests()


@shared_task(name="events.roll")
def roll_ledger() -> None:
    """Keeps the ledger short."""
    ledger.roll()


@shared_task(name="events.bulk")
def run_bulk_jobs() -> None:
    """Takes every running bulk retry and cancel a little further."""
    bulk.run_all()


@shared_task(name="events.retain")
def retain_days() -> None:
    """Makes the partitions of the days ahead and drops those that are over."""
    retention.retain_and_tell()


@shared_task(name="events.text")
def index_text() -> None:
    """Takes the text index a little further."""
    text.index()


def ask(name: str) -> None:
    """Sends the message to start a task. Raises ConnectionError if the broker does not take it."""
    try:
        current_app.send_task(name, expires=HINT_LIVES, retry=False)
    except OperationalError as error:
        raise ConnectionError(str(error)) from error


def ask_for_a_pump() -> None:
    ask("events.pump")


@worker_process_init.connect
def _say_hello(**_: Any) -> None:
    raise_handle_limit()
    pump.beat_while_idle(parent=os.getppid())


@worker_process_shutdown.connect
def _say_goodbye(**_: Any) -> None:
    leave(process_name())


@worker_shutting_down.connect
def _stop_claiming(**_: Any) -> None:
    stop.stop()
