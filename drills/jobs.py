"""What runs over many steps and is cut between them: a probe, a replay, retention."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta

import psutil

from drills.aside import Aside, Broken, now, until
from drills.hostile import HOST
from drills.proxy import tcp
from drills.rig import TIMEOUT, Rig

PROBE_GRACE = 5.0
"""Seconds after its deadline in which a probe that is not heard of is given up."""

PATIENT = 1.5
"""Seconds that a claim and the probe itself may take beside."""

REPLAYED = 3_000
CUTS = 2
"""Kills in one replay."""

OLD = 6
"""Events of a day that is over: more than open a breaker."""

OVER = timedelta(days=40)
"""The age of a day that retention drops, by its default of 30 days."""


def probe_dies(rig: Rig) -> str:
    """The worker of a half-open breaker's probe is killed: another probe is sent in time."""
    hole = rig.proxies.before(tcp(rig.receiver.port))
    schedule = {"schedule": [0.1] * 20}
    with rig.aside(f"http://{HOST}:{hole.port}/probed", **schedule) as aside:
        rig.keep_secret("/probed", aside.secret)
        with hole.silence():
            aside.publish(6)
            until("a probe", lambda: aside.breaker() == "half_open" and _sender(rig, aside) > 0)
            rig.kill([psutil.Process(_sender(rig, aside))])
        took = until("a closed breaker", lambda: aside.breaker() == "closed", within=20)
        until("all deliveries", lambda: aside.states() == {"delivered": 6})
    if took > TIMEOUT + PROBE_GRACE + PATIENT:
        raise Broken(f"half-open for {took:.1f} s after its probe died")
    return f"kill -9 of the probe's worker; another probe closed the breaker after {took:.1f} s"


def _sender(rig: Rig, aside: Aside) -> int:
    """The process that has something of this subscription in flight; 0 if none has."""
    rows = rig.rows(
        "SELECT worker FROM events_owed WHERE subscription_id = %s AND state = 'in_flight' LIMIT 1",
        aside.id,
    )
    return int(rows[0][0].rpartition(":")[2]) if rows else 0


def replay_cut(rig: Rig) -> str:
    """The process that makes a replay's deliveries is killed between and within its steps."""
    with rig.aside("/replayed") as aside:
        _fill(rig)
        order = {
            "source": "events",
            "criteria": {"type": "aside.replayed", "since": "2020-01-01T00:00:00Z"},
            "target": aside.public_id,
        }
        job = rig.stack.api("POST", "/replays", order)
        for number in range(CUTS):
            _cut_a_step(rig, job["id"], least=number * 500)
        shown = f"/replays/{job['id']}"
        until("the end", lambda: rig.stack.api("GET", shown)["state"] == "done", within=60)
        done = rig.stack.api("GET", shown)
        until("all of it", lambda: aside.states() == {"delivered": done["made"]}, within=60)
        made, sources = _made(rig, aside)
        arrived = {line["id"] for line in aside.received("/replayed")}
    if not made == sources == done["total"] == len(arrived):
        raise Broken(
            f"{done['total']} to replay, {made} made of {sources} sources, {len(arrived)} arrived"
        )
    return f"dispatcher killed {CUTS} times in it: {made:,} of {sources:,} made, each once"


def _fill(rig: Rig) -> None:
    """Events that nobody is subscribed to."""
    rest = REPLAYED - int(
        rig.rows("SELECT count(*) FROM events_event WHERE type = 'aside.replayed'")[0][0]
    )
    event = {"type": "aside.replayed", "source": "/replayed", "data": {"key": "r", "number": 0}}
    while rest > 0:
        rig.stack.api("POST", "/events", [event] * min(rest, 500))
        rest -= 500


def _cut_a_step(rig: Rig, replay: str, *, least: int) -> None:
    """Kills every dispatcher once more than `least` were made; their steps are slow meanwhile."""
    shown = f"/replays/{replay}"
    with rig.postgres.slow(0.02):
        until("a step", lambda: rig.stack.api("GET", shown)["made"] > least, within=60)
        rig.kill(rig.processes("dispatcher"))
    if rig.stack.api("GET", shown)["state"] == "done":
        raise Broken("the replay was over before it could be cut")


def _made(rig: Rig, aside: Aside) -> tuple[int, int]:
    """Deliveries that the replay made, and sources that it made them of."""
    [(made, sources)] = rig.rows(
        "SELECT count(*), count(DISTINCT replay_source) FROM events_delivery "
        "WHERE subscription_id = %s AND replay_id IS NOT NULL",
        aside.id,
    )
    return int(made), int(sources)


def retention_waits(rig: Rig) -> str:
    """A day that is over stays for as long as one parked delivery needs it, and then it goes."""
    day = now().date() - OVER
    hole = rig.proxies.before(tcp(rig.receiver.port))
    with rig.aside(f"http://{HOST}:{hole.port}/parked", schedule=[0.2] * 20) as aside:
        rig.keep_secret("/parked", aside.secret)
        with hole.gone():
            _publish_on(rig, day, aside.type)
            until("a parked delivery", lambda: aside.breaker() != "closed")
            _retain(rig)
            kept = _stored_on(rig, aside.type)
        if kept != OLD:
            raise Broken(f"{kept} of {OLD} events are left of a day that a parked delivery needs")
        until("the delivery", lambda: aside.states() == {"delivered": OLD})
    _retain(rig)
    until("the day dropped", lambda: _stored_on(rig, aside.type) == 0)
    return f"{day} stayed while a delivery of it was parked, and was dropped once it had arrived"


def _publish_on(rig: Rig, day: date, kind: str) -> None:
    """Through the product's own code, with ids of that day, of which there is a partition then."""
    call = f"publish_on({day.isoformat()!r}, {kind!r}, many={OLD})"
    program = f"from drills.old_day import publish_on; {call}"
    words = [sys.executable, "manage.py", "shell", "--no-imports", "-c", program]
    environ = {**os.environ, **rig.stack.settings}
    done = subprocess.run(
        words, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise Broken(f"nothing could be published for {day}: {done.stderr.strip()[-300:]}")


def _retain(rig: Rig) -> None:
    """Has a dispatcher start the job now, and waits until the empty days are gone."""
    with rig.database() as database:
        database.execute("UPDATE events_job SET started_at = 'epoch' WHERE name = 'events.retain'")
    until("retention", lambda: len(_days(rig)) <= 1, within=20)


def _days(rig: Rig) -> set[str]:
    """The days that have a partition of events, and are over."""
    rows = rig.rows(
        "SELECT relname FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid "
        "WHERE inhparent = 'events_event'::regclass AND relname < 'events_event_' || %s "
        "AND relname ~ '[0-9]$'",
        f"{now().date() - timedelta(days=30):%Y%m%d}",
    )
    return {name for (name,) in rows}


def _stored_on(rig: Rig, kind: str) -> int:
    """How many events of a type there are."""
    return int(rig.rows("SELECT count(*) FROM events_event WHERE type = %s", kind)[0][0])
