"""PostgreSQL that crashes, ends sessions, locks, and refuses to store."""

from __future__ import annotations

import os
import signal
import time

import psycopg

from drills.aside import Broken, until
from drills.producer import NONE
from drills.rig import Rig

HOLD = 1.5
"""Seconds that a fault is let to work where it has no length of its own."""

ONE_SESSION = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'redrive' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1
"""

END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'redrive' AND pid <> pg_backend_pid()
"""


def crash(rig: Rig) -> str:
    """An immediate shutdown: every session ends, and recovery runs at the next start."""
    began = time.monotonic()
    rig.send("postgres", signal.SIGQUIT)
    away = _until_it_answers(rig, began)
    return f"-m immediate; it took sessions again after {away:.1f} s; {_refusals(rig, began)}"


def kill_backend(rig: Rig) -> str:
    """`kill -9` of one backend: PostgreSQL then ends all sessions and recovers."""
    began = time.monotonic()
    row = rig.rows(ONE_SESSION)
    if not row:
        raise Broken("no session of Redrive was found")
    os.kill(row[0][0], signal.SIGKILL)
    away = _until_it_answers(rig, began)
    return f"kill -9 of one backend: all sessions dropped, back after {away:.1f} s"


def end_sessions(rig: Rig) -> str:
    """Every session of ours is ended, as an administrator or a failover would."""
    ended = rig.rows(END_SESSIONS)
    return f"{len(ended)} sessions ended with pg_terminate_backend"


def lock_tables(rig: Rig) -> str:
    """A migration holds the table of deliveries for longer than a publish waits for a lock."""
    began, seconds = time.monotonic(), 20.0 if rig.full else 6.0
    hold_lock(rig, seconds)
    return f"LOCK TABLE events_owed for {seconds:.0f} s; {_refusals(rig, began)}"


def hold_lock(rig: Rig, seconds: float) -> None:
    """On the table that every publish, claim and record needs."""
    with rig.database() as database, database.transaction():
        database.execute("LOCK TABLE events_owed IN ACCESS EXCLUSIVE MODE")
        time.sleep(seconds)


def fill_disk(rig: Rig) -> str:
    """PostgreSQL refuses every event with "disk full" for a while."""
    began = time.monotonic()
    with rig.database() as database:
        database.execute(
            "CREATE OR REPLACE FUNCTION drill_full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
        for table in ("events_event", "events_attempt"):
            made = f"CREATE TRIGGER drill_full BEFORE INSERT ON {table} FOR EACH ROW "
            _persist(database, f"{made} EXECUTE FUNCTION drill_full()")
        time.sleep(HOLD)
        for table in ("events_event", "events_attempt"):
            _persist(database, f"DROP TRIGGER drill_full ON {table}")
    words = _refusals(rig, began)
    if all(one.status != 503 for one in rig.producer.since(began)):
        raise Broken("no publish was refused, though none could be stored")
    return f"53100 for every event and every attempt; {words}"


def _persist(database: psycopg.Connection[object], change: str) -> None:
    """Publishes under way may deadlock with a change of their table: then it is tried again."""
    for _ in range(50):
        try:
            database.execute(change.encode())
        except psycopg.errors.DeadlockDetected:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the table could not be changed under load")


def _until_it_answers(rig: Rig, began: float) -> float:
    """Seconds since `began` until sessions are taken again; it has to be away first."""
    while _answers(rig) and time.monotonic() - began < HOLD:
        time.sleep(0.02)
    while not _answers(rig):
        time.sleep(0.05)
    return time.monotonic() - began


def _answers(rig: Rig) -> bool:
    try:
        rig.rows("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _refusals(rig: Rig, since: float) -> str:
    """What producers were told meanwhile: 503 and when to come back, and never anything else.

    Or nothing but 202, where nobody had to be refused; a publish that is not answered is a failure.
    """
    over = time.monotonic()
    until("an accepted publish", lambda: any(one.accepted for one in rig.producer.since(over)))
    answers = rig.producer.since(since)
    wrong = sorted({one.status for one in answers if one.status not in (200, 202, 503, 429)})
    if wrong:
        raise Broken(f"producers were answered {wrong} ({NONE}: not at all)")
    refused = [one for one in answers if one.status == 503]
    if without := sum(one.retry_after is None for one in refused):
        raise Broken(f"{without} publishes were answered 503 without Retry-After")
    longest = max((one.took for one in answers), default=0.0)
    if not refused:
        return f"no publish had to be refused, the longest took {longest:.1f} s"
    return f"{len(refused)} publishes were answered 503 with Retry-After"
