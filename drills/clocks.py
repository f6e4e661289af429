"""Hosts whose clock is wrong: processes beside those of the stack, under libfaketime.

A host that is ten minutes off has a web process, a dispatcher and a worker of its own. What is due
and whose lease is over goes by PostgreSQL's clock; the worker takes itself out of rotation, since
receivers refuse signatures that are so old.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.stack import free_port, wait_until_answers
from drills.aside import Broken, until
from drills.network import late_records
from drills.processes import family
from drills.producer import Producer
from drills.rig import Rig
from events.rules import ids
from events.rules.ids import Prefix

OUT = "out of rotation"
LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
OFF = 600
LOAD = 3.0
RATE = 30.0
SOON = 5.0
"""Seconds in which what such a host accepted has to arrive."""


def missing(_rig: Rig) -> str:
    return "" if _library() else "faketime is not installed"


def _library() -> Path | None:
    found = (one for top in LIBRARIES for one in Path(top).glob("**/faketime/libfaketimeMT.so.1"))
    return next(found, None)


def ahead(rig: Rig) -> str:
    return _skewed(rig, OFF)


def behind(rig: Rig) -> str:
    return _skewed(rig, -OFF)


def _skewed(rig: Rig, seconds: int) -> str:
    """A host with that clock takes in events and tries to deliver them, beside the others."""
    late, port, before = late_records(rig), free_port(), _sends(rig)
    name = f"skewed-{time.time_ns()}"
    with _host(rig, seconds, port) as workers:
        journal, url = rig.folder / f"{name}.jsonl", f"http://127.0.0.1:{port}"
        with Producer(url, rig.stack.key, journal, rate=RATE, run=1, prefix=name) as producer:
            time.sleep(LOAD)
        rig.also_accepted |= producer.accepted
        waited = until("the arrival", lambda: _arrived(rig, producer.accepted), within=SOON)
        out = until("a worker out of rotation", lambda: _is_out(rig, workers))
    # Less what an earlier process of the same number had sent.
    more = _sends(rig) - before
    if made := sum(many for pid, many in more.items() if pid in workers):
        raise Broken(f"a worker whose clock is {abs(seconds)} s off made {made} sends")
    if lost := late_records(rig) - late:
        raise Broken(f"{lost} leases were lost")
    return (
        f"all {len(producer.accepted)} accepted there arrived, the last after {waited:.1f} s; "
        f"its worker out of rotation after {out:.1f} s; no lease lost"
    )


def _arrived(rig: Rig, accepted: Mapping[str, str]) -> bool:
    wanted = [ids.decode(Prefix.EVENT, one) for one in accepted.values()]
    return bool(wanted) and not rig.rows(
        "SELECT FROM events_owed WHERE event_id = ANY(%s) LIMIT 1", wanted
    )


def _is_out(rig: Rig, workers: set[int]) -> bool:
    rows = rig.rows("SELECT pid FROM events_heartbeat WHERE doing LIKE %s", f"{OUT}%")
    return any(pid in workers for (pid,) in rows)


def _sends(rig: Rig) -> Counter[int]:
    """How often processes sent, by their number."""
    rows = rig.rows("SELECT worker, count(*) FROM events_attempt GROUP BY 1")
    sent = Counter[int]()
    for worker, many in rows:
        sent[int(worker.rpartition(":")[2] or 0)] += many
    return sent


@contextmanager
def _host(rig: Rig, seconds: int, port: int) -> Iterator[set[int]]:
    """The three processes; gives the numbers of the worker's."""
    environ = {
        **os.environ,
        **rig.stack.settings,
        "LD_PRELOAD": str(_library()),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(Path(__file__).with_name("skewed")),
    }
    python = sys.executable
    celery = ("-q", "-A", "config", "worker", "-Q", "deliveries,control", "-c", "1")
    quiet = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "-n", f"skew{port}")
    listen = ("--interface", "asginl", "--log-level", "warning", "--port", str(port))
    with ExitStack() as stack:
        web = stack.enter_context(
            _process(rig, environ, python, "-m", "granian", *listen, "config.asgi:application")
        )
        stack.enter_context(_process(rig, environ, python, "manage.py", "dispatch"))
        worker = stack.enter_context(
            _process(rig, environ, python, "-m", "celery", *celery, *quiet)
        )
        wait_until_answers(f"http://127.0.0.1:{port}/readyz", web)
        until("its worker", lambda: len(family(worker.pid)) > 1)
        yield family(worker.pid)


@contextmanager
def _process(rig: Rig, environ: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own, ended with all that it started."""
    with (rig.folder / f"skewed-{time.time_ns()}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
