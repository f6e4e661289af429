"""What each process says of itself, and what is done when its loop stands still."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from django.utils import timezone
from pytest_django import Settings

from events import vitals
from events.engine import pump, retention
from events.engine.ears import ENDS_AFTER, HINTS
from events.heartbeat import beat, leave, process_name
from events.management.commands import dispatch
from events.management.commands.dispatch import FAILURES, Dispatcher
from events.models import Heartbeat
from events.models.process import OUT, Role
from events.rules.fitness import HANDLES_LEFT, Vitals
from tests import make
from tests.engine import Engine
from tests.faults import alone, kill_session
from tests.receiver import Receiver
from tests.servers import TEST_DATABASE, _free_port, servers

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]
ENVIRON = os.environ | servers.environment() | {"DATABASE_URL": servers.database_url(TEST_DATABASE)}

# A worker whose loop is held by something that does not wait; limits of seconds, not of a minute.
STANDS_STILL = """
import django
django.setup()
import time
from events.engine import pump
from events.rules import fitness
fitness.STALLED, pump.BEAT, pump.TURN = 1.0, 0.5, 0.1
async def stand_still(**_):
    time.sleep(20)
engine = pump._this_process()
engine.window.run = stand_still
pump.beat_while_idle()
pump.pump()
"""


def old(name: str, *, seconds: float, role: Role = Role.WORKER, doing: str = "idle") -> Heartbeat:
    """A process that was last heard of some time ago."""
    at = timezone.now() - timedelta(seconds=seconds)
    return Heartbeat.objects.create(
        name=name, role=role, host="h", pid=1, version="0", started_at=at, beat_at=at, doing=doing
    )


def test_a_name_that_comes_again_is_the_new_process() -> None:
    before = old("h:1", seconds=86_000, role=Role.WEB)
    beat("h:1", Role.WORKER, doing="idle", load={})
    row = Heartbeat.objects.get()
    assert (row.role, row.pid) == (Role.WORKER, os.getpid())
    assert row.version != before.version
    assert row.started_at > before.started_at + timedelta(hours=20)
    assert row.started_at <= row.beat_at


def test_a_process_that_leaves_in_order_is_not_looked_for() -> None:
    beat("h:2", Role.WORKER, doing="idle", load={})
    leave("h:2")
    beat("h:2", Role.WORKER, doing="idle", load={})
    assert not Heartbeat.objects.exists()


def test_a_web_process_that_stops_in_order_is_not_looked_for() -> None:
    port = _free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "asginl", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers-kill-timeout", "5", "config.asgi:application"),
    ]
    web = subprocess.Popen(command, cwd=ROOT, env=ENVIRON, stderr=subprocess.PIPE)
    try:
        _until(lambda: _answers(port) and Heartbeat.objects.filter(role=Role.WEB).exists())
    finally:
        web.send_signal(signal.SIGTERM)
        said = web.communicate(timeout=20)[1].decode()
    assert not Heartbeat.objects.exists(), said


def _answers(port: int) -> bool:
    try:
        return bool(urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).status == 200)
    except OSError:
        return False


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_process_that_is_gone_is_forgotten_after_a_day() -> None:
    old("long gone", seconds=86_401)
    old("gone", seconds=86_300)
    retention.retain()
    assert Heartbeat.objects.get().name == "gone"


def test_a_process_says_how_it_fares() -> None:
    _, load = pump.told()
    assert abs(float(str(load["clock_offset"]))) < 1
    assert 0 < float(str(load["round_trip_ms"])) < 1_000
    assert int(str(load["memory"])) > 10_000_000
    assert {"handles_left", "loop_lag_ms", "in_flight", "window", "heard"} <= set(load)


@contextmanager
def handles(many: int) -> Iterator[None]:
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = vitals.handles_left()
    assert left is not None
    resource.setrlimit(resource.RLIMIT_NOFILE, (was[0] - left + many, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, was)


def test_a_process_is_back_in_rotation_without_being_asked_to_send() -> None:
    with handles(HANDLES_LEFT - 5):
        assert pump.told()[0].startswith(OUT)
    assert pump.told()[0] == "idle"


@pytest.mark.usefixtures("new_process")
def test_a_process_that_could_not_compare_its_clock_sends_nothing(receiver: Receiver) -> None:
    make.owed(make.subscription(receiver.url()))
    kill_session()
    assert pump.pump() == 0
    assert pump.told()[0] == "idle"
    assert pump.pump() == 1


@pytest.mark.usefixtures("new_process")
def test_a_process_sends_nothing_while_its_first_look_is_under_way(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, goes_on, measure = threading.Event(), threading.Event(), vitals.measure

    def wrong_clock() -> Vitals:
        looks.set()
        goes_on.wait(10)
        return replace(measure(), clock_offset=600.0)

    make.owed(make.subscription(receiver.url()))
    monkeypatch.setattr(vitals, "measure", wrong_clock)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(alone, pump.told)
        looks.wait(10)
        asked = threads.submit(alone, pump.pump)
        goes_on.set()
        assert (first.result()[0][: len(OUT)], asked.result()) == (OUT, 0)
    assert not receiver.requests


def test_a_window_opens_no_more_sends_than_it_has_handles_for(
    engine: Engine, receiver: Receiver
) -> None:
    make.backlog(make.subscription(receiver.url("/slow/0.05")), 8)
    engine.window.has_handles(Vitals(handles_left=HANDLES_LEFT + 2))
    assert engine.run() == 8
    assert receiver.most_at_once == 2


def test_a_dispatcher_that_pumps_keeps_saying_that_it_is_alone(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REDRIVE_JOBS = {"events.roll": 60.0}
    monkeypatch.setattr(pump, "SHORT", 0.0)
    monkeypatch.setattr(dispatch, "BEAT", 0.0)
    make.owed(make.subscription(receiver.url("/hold")))
    dispatcher = Dispatcher()
    dispatcher._failures = FAILURES
    dispatcher._pump_here()
    receiver.wait(1)
    dispatcher.tick()
    row = Heartbeat.objects.get()
    assert (row.role, row.doing, row.load["alone"]) == (Role.DISPATCHER, "pumping", True)
    receiver.release()
    assert dispatcher.close()
    dispatcher.tick()
    row = Heartbeat.objects.get()
    assert (row.name, row.doing, row.load["alone"]) == (process_name(), "dispatching", True)


def test_workers_that_hear_nothing_are_noticed_until_they_do(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REDRIVE_JOBS = {"events.roll": 60.0}
    monkeypatch.setattr(dispatch, "BEAT", 0.0)
    beat("deaf", Role.WORKER, doing="idle", load={"heard": 7})
    dispatcher = Dispatcher()
    dispatcher.tick()
    dispatcher._ears.asked(HINTS, now=time.monotonic() - ENDS_AFTER - 1)
    dispatcher.tick()
    said = Heartbeat.objects.get(role=Role.DISPATCHER).load
    assert (said["unanswered"], said["deaf"]) == (61, ["deaf"])
    assert Heartbeat.objects.names_deaf("deaf")
    assert not Heartbeat.objects.names_deaf("another")
    beat("other", Role.DISPATCHER, doing="dispatching", load={"deaf": []})
    assert not Heartbeat.objects.names_deaf("deaf")
    leave("other")
    beat("deaf", Role.WORKER, doing="idle", load={"heard": 8})
    dispatcher.tick()
    assert Heartbeat.objects.get(role=Role.DISPATCHER).load["unanswered"] == 0
    assert not Heartbeat.objects.names_deaf("deaf")
    assert dispatcher.close()


# The process that hears for a worker, and one of its own, which is told that nobody hears. What
# does not end when it is told to is killed, here after half a second.
HEARS_NOTHING = """
import django
django.setup()
import os, signal, sys, time
from events.engine import pump
pump.BEAT, pump.ENDS_WITHIN = 0.3, 0.5
signal.signal(signal.SIGTERM, lambda *_: print("told to end", flush=True))
if os.fork() == 0:
    pump.beat_while_idle(parent=os.getppid())
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_deaf_worker_is_told_to_end_and_killed_if_it_does_not() -> None:
    command = [sys.executable, "-c", HEARS_NOTHING]
    worker = subprocess.Popen(command, cwd=ROOT, env=ENVIRON, stdout=subprocess.PIPE, text=True)
    try:
        name = f"{socket.gethostname()}:{worker.pid}"
        _until(lambda: Heartbeat.objects.filter(load__worker=name).exists())
        child = Heartbeat.objects.get(load__worker=name).pid
        beat("d", Role.DISPATCHER, doing="dispatching", load={"deaf": [name]})
        assert worker.wait(20) == -signal.SIGKILL
        _until(lambda: not Path(f"/proc/{child}").exists())
    finally:
        worker.kill()
        said = worker.communicate(timeout=20)[0]
    assert "told to end" in said


def test_a_process_whose_loop_stands_still_says_where_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STANDS_STILL],
        cwd=ROOT,
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == pump.STALLED, done.stderr
    assert "stand_still" in done.stderr
