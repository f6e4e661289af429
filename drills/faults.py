"""The faults, each injected into a running stack from outside it, and taken back again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import psycopg

from drills.rig import Rig

HOLD = 1.5
"""Seconds that a fault is let to work where it has no length of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, what is expected, and within how many seconds all is delivered again.

    `may_repeat` says whether a receiver may see something twice: only where something is killed,
    frozen or cut off between a send and its record.
    """

    name: str
    expected: str
    inject: Callable[[Rig], None]
    within: float
    quick: bool = True
    may_repeat: bool = True


def kill(rig: Rig, role: str) -> None:
    """`kill -9` of every process of a role that runs now."""
    for process in rig.processes(role):
        _send(process, signal.SIGKILL)


def kill_worker_child(rig: Rig) -> None:
    """One worker process in the middle of its sends."""
    children = rig.processes("worker child")
    if children:
        _send(random.choice(children), signal.SIGKILL)


def freeze_worker_child(rig: Rig) -> None:
    """A worker that stands still for longer than its lease, and comes back late."""
    children = rig.processes("worker child")
    if children:
        _send(children[0], signal.SIGSTOP)
        time.sleep(rig.lease + 4)
        _send(children[0], signal.SIGCONT)


def flush(rig: Rig) -> None:
    """Everything that Valkey holds is gone."""
    rig.redis().flushall()


def stop_redis(rig: Rig) -> None:
    """Valkey stands still: it accepts and never answers; then it is killed and starts empty."""
    for process in rig.processes("redis"):
        _send(process, signal.SIGSTOP)
    time.sleep(6)
    for process in rig.processes("redis"):
        _send(process, signal.SIGKILL)
        _send(process, signal.SIGCONT)


def crash_postgres(rig: Rig) -> None:
    """An immediate shutdown: every session ends, and recovery runs at the next start."""
    for process in rig.processes("postgres"):
        _send(process, signal.SIGQUIT)


def kill_backend(rig: Rig) -> None:
    """`kill -9` of one backend: PostgreSQL then ends all sessions and recovers."""
    with rig.database() as database:
        row = database.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'redrive' "
            "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
        ).fetchone()
    if row is not None:
        os.kill(row[0], signal.SIGKILL)


def end_sessions(rig: Rig) -> None:
    """Every session of ours is ended, as an administrator or a failover would."""
    with rig.database() as database:
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'redrive' AND pid <> pg_backend_pid()"
        )


def lock_tables(rig: Rig) -> None:
    """A migration holds the table of deliveries for a while."""
    with rig.database() as database, database.transaction():
        database.execute("LOCK TABLE events_owed IN ACCESS EXCLUSIVE MODE")
        time.sleep(4)


def fill_disk(rig: Rig) -> None:
    """PostgreSQL refuses every attempt row with "disk full" for a while."""
    with rig.database() as database:
        database.execute(
            "CREATE OR REPLACE FUNCTION drill_full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
        made = "CREATE TRIGGER drill_full BEFORE INSERT ON events_event FOR EACH ROW "
        _persist(lambda: database.execute(made + "EXECUTE FUNCTION drill_full()"))
        time.sleep(HOLD)
        _persist(lambda: database.execute("DROP TRIGGER drill_full ON events_event"))


def restart_in_turn(rig: Rig) -> None:
    """A deployment: SIGTERM to dispatcher, worker and web, one after the other."""
    for role in ("dispatcher", "worker", "web"):
        for process in rig.processes(role):
            _send(process, signal.SIGTERM)
        time.sleep(3)


def nothing(_rig: Rig) -> None:
    """Load alone: what is seen without a fault."""
    time.sleep(HOLD)


FAULTS = (
    Fault("no fault", "each arrives once", nothing, 20, may_repeat=False),
    Fault("worker process dies", "rescued, same webhook-id", kill_worker_child, 30),
    Fault("all workers die", "supervisor restarts them", lambda rig: kill(rig, "worker"), 40),
    Fault("worker frozen", "taken over, its late verdict fenced", freeze_worker_child, 40),
    Fault("dispatcher dies", "restarted", lambda rig: kill(rig, "dispatcher"), 30),
    Fault("web dies", "restarted, the producer tries again", lambda rig: kill(rig, "web"), 30),
    Fault("FLUSHALL", "nothing lost", flush, 20),
    Fault("broker silent, then empty", "delivered in the dispatcher meanwhile", stop_redis, 40),
    Fault("PostgreSQL crashes", "503, then all reconnect", crash_postgres, 40),
    Fault("sessions ended", "retried or fenced", end_sessions, 30),
    Fault("disk full", "503, nothing accepted is lost", fill_disk, 30),
    Fault("backend killed", "all sessions drop and heal", kill_backend, 40, quick=False),
    Fault("table locked for 4 s", "lock time-out, backoff", lock_tables, 30, quick=False),
    Fault("deployment", "nothing lost", restart_in_turn, 40, quick=False),
)


def _persist(change: Callable[[], object]) -> None:
    """Publishes under way may deadlock with a change of their table: then it is tried again."""
    for _ in range(50):
        try:
            change()
        except psycopg.errors.DeadlockDetected:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the table could not be changed under load")


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
