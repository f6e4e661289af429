"""Connections that break, stall and vanish: to PostgreSQL, to the broker, to receivers."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Mapping
from urllib.error import URLError
from urllib.request import Request, urlopen

import redis

from drills.aside import Broken, percentile, until
from drills.producer import NONE
from drills.rig import Rig

SLOW_ANSWER = 0.5
"""Seconds that every answer of a receiver takes more."""

SLOWER = 0.2
TICK = 2.0
"""Seconds that no turn of a dispatcher may wait for the broker."""

ALONE = 2.0
"""Seconds of a silent broker after which a dispatcher delivers by itself."""

EVERY = 1.0
"""Seconds from one start of the job that is watched to the next (REDRIVE_JOBS)."""

USUAL = 1.0
"""Seconds that a turn may take beside, on a machine that is busy with a drill."""


def publish_cut(rig: Rig) -> str:
    """The connection is cut after PostgreSQL committed a publish and before it could say so."""
    name = f"cut-{time.time_ns()}"
    body = {"type": "aside.cut", "source": "/cut", "id": name, "data": {}}
    answers: list[int] = []
    with rig.postgres.catching(name.encode()) as caught:
        first = threading.Thread(target=lambda: answers.append(_publish(rig, body)[0]))
        first.start()
        if not caught.committing.wait(10):
            raise Broken("the publish did not reach PostgreSQL")
        until("the commit", lambda: _stored(rig, name) == 1)
        # The client is still waiting: only the proxy knows that it was committed.
        if answers:
            raise Broken(f"the publish was answered {answers[0]} before its commit was known")
        rig.postgres.cut(reset=True)
        first.join(15)
    status, answer = _publish_until_answered(rig, body)
    if (status, answer.get("duplicate")) != (200, True):
        raise Broken(f"the repeat was answered {status} {answer}")
    if (many := _stored(rig, name)) != 1:
        raise Broken(f"the event is stored {many} times")
    return f"cut after the commit: answered {answers[0] or 'nothing'}, the repeat 200 `duplicate`"


def _publish(rig: Rig, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    """Status and answer; 0 if there was none."""
    request = Request(  # noqa: S310
        f"{rig.stack.url}/api/v1/events",
        data=json.dumps(body).encode(),
        headers={
            "authorization": f"Bearer {rig.stack.key}",
            "content-type": "application/json",
        },
    )
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except URLError as error:
        return getattr(error, "code", 0), {}
    except OSError:
        return 0, {}


def _publish_until_answered(rig: Rig, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    for _ in range(50):
        status, answer = _publish(rig, body)
        if status not in (0, 503):
            return status, answer
        time.sleep(0.2)
    raise Broken("the repeat was not answered within 50 tries")


def _stored(rig: Rig, name: str) -> int:
    [(many,)] = rig.rows("SELECT count(*) FROM events_event WHERE producer_event_id = %s", name)
    return int(many)


def database_slow(rig: Rig) -> str:
    """Every answer of PostgreSQL takes 200 ms more."""
    late, began = late_records(rig), time.monotonic()
    with rig.postgres.slow(SLOWER):
        until("a load level that says so", lambda: "a commit takes" in _level(rig), within=15)
        level = _level(rig)
        time.sleep(max(0.0, 6.0 - (time.monotonic() - began)))
    lost = late_records(rig) - late
    if lost:
        raise Broken(f"{lost} leases were lost")
    return f"every answer {SLOWER * 1000:.0f} ms later for 6 s: load level {level}, no lease lost"


def database_silent(rig: Rig) -> str:
    """PostgreSQL takes connections and bytes and says nothing; then it goes on where it was."""
    began = time.monotonic()
    with rig.postgres.silence():
        time.sleep(8.0)
    over = time.monotonic()
    took = until("a publish", lambda: any(one.accepted for one in rig.producer.since(over)))
    answers = rig.producer.since(began)
    wrong = sorted({one.status for one in answers if one.status not in (NONE, 200, 202, 429, 503)})
    if wrong:
        raise Broken(f"producers were answered {wrong}")
    longest = max(one.took for one in answers)
    given_up = sum(one.status == NONE for one in answers)
    return (
        f"silent for 8 s: a publish was accepted {took:.1f} s later, the longest took "
        f"{longest:.1f} s, {given_up} were given up"
    )


def late_records(rig: Rig) -> int:
    """How many attempts are on record as late: each is a lease that was lost."""
    [(many,)] = rig.rows("SELECT count(*) FROM events_attempt WHERE late")
    return int(many)


def _level(rig: Rig) -> str:
    [(level, reasons)] = rig.rows("SELECT level, reasons FROM events_loadlevel")
    return f"{level} ({'; '.join(reasons)})" if reasons else str(level)


def database_cut(rig: Rig) -> str:
    """Every connection to PostgreSQL is reset, as by a balancer that forgot them."""
    return f"{rig.postgres.cut(reset=True)} connections reset"


def flush(rig: Rig) -> str:
    """Everything that the broker holds is gone."""
    rig.redis().flushall()
    return "FLUSHALL"


def broker_silent(rig: Rig) -> str:
    """The broker takes connections and bytes and says nothing: nobody waits for it."""
    seconds, began = (10.0 if rig.full else 5.0), time.time()
    with rig.broker.silence():
        longest = _longest_tick(rig, seconds)
        sends = _sends(rig, began + ALONE)
    if longest > TICK + USUAL:
        raise Broken(f"no turn of a dispatcher began for {longest:.1f} s")
    if not sends:
        raise Broken("nothing was delivered any more")
    return (
        f"silent for {seconds:.0f} s: the longest turn of a dispatcher took {longest:.1f} s, "
        f"{sends} sends after the first {ALONE:.0f}"
    )


def _longest_tick(rig: Rig, seconds: float) -> float:
    """Watches for so long; gives how late a turn was that starts what is due every second."""
    longest, ends = 0.0, time.monotonic() + seconds
    while time.monotonic() < ends:
        [(age,)] = rig.rows(
            "SELECT extract(epoch FROM clock_timestamp() - started_at)::float8 FROM events_job "
            "WHERE name = 'events.rescue'"
        )
        longest = max(longest, age - EVERY)
        time.sleep(0.05)
    return longest


def _sends(rig: Rig, since: float) -> int:
    [(many,)] = rig.rows(
        "SELECT count(*) FROM events_attempt WHERE started_at > to_timestamp(%s)", since
    )
    return int(many)


def broker_gone(rig: Rig) -> str:
    """The broker stops, refuses connections and comes back empty; nobody is restarted."""
    seconds, before = (60.0 if rig.full else 8.0), _pids(rig)
    # An earlier fault may still be shown.
    until("a broker that is there", lambda: not _said_away(rig), within=30)
    began = time.time()
    with rig.broker.gone():
        rig.send("redis", signal.SIGKILL)
        shown = until("the finding that it is away", lambda: _said_away(rig), within=30)
        time.sleep(max(0.0, seconds - (time.time() - began)))
        here = _sent_by(rig, "dispatcher", began)
        if kept := _keys_at_first(rig):
            raise Broken(f"the broker came back with {kept} keys")
    if not here:
        raise Broken("nothing was delivered while the broker was away")
    took = _workers_again(rig, before)
    return (
        f"killed, refused for {time.time() - began - took:.0f} s, back empty: shown as away after "
        f"{shown:.1f} s, {here:,} sends by the dispatcher itself; workers, not restarted, send "
        f"again after {took:.1f} s"
    )


def _said_away(rig: Rig) -> bool:
    """Where people look: a dispatcher says that it is alone, and that is a finding."""
    return bool(
        rig.rows("SELECT FROM monitoring_finding WHERE kind = 'broker' AND cleared_at IS NULL")
    )


def _keys_at_first(rig: Rig) -> int:
    """How many keys the broker has as soon as it answers: it was started again by then."""
    found: list[int] = []

    def answers() -> bool:
        try:
            found[:] = [int(rig.redis().dbsize())]
        except redis.RedisError:
            return False
        return True

    until("a broker that answers", answers)
    return found[0]


def _workers_again(rig: Rig, before: set[int]) -> float:
    """Seconds until a worker sends again, none of them a new one."""
    back = time.time()
    took = until("a send by a worker", lambda: _sent_by(rig, "worker", back) > 0, within=20)
    if _pids(rig) != before:
        raise Broken("processes were restarted")
    return took


def _pids(rig: Rig) -> set[int]:
    roles = ("web", "worker", "worker child", "dispatcher")
    return {process.pid for role in roles for process in rig.processes(role)}


def _sent_by(rig: Rig, role: str, since: float) -> int:
    """How many sends since a moment were made by processes of a role."""
    [(many,)] = rig.rows(
        "SELECT count(*) FROM events_attempt AS a JOIN events_heartbeat AS h ON h.name = a.worker "
        "WHERE h.role = %s AND a.started_at > to_timestamp(%s)",
        role,
        since,
    )
    return int(many)


def broker_killed(rig: Rig) -> str:
    """It stands still, then it is killed and starts empty; nobody else is restarted."""
    before = _pids(rig)
    rig.send("redis", signal.SIGSTOP)
    time.sleep(3)
    rig.send("redis", signal.SIGKILL)
    took = _workers_again(rig, before)
    return (
        "SIGSTOP for 3 s, kill -9, started empty; "
        f"workers, not restarted, send again after {took:.1f} s"
    )


def receivers_slow(rig: Rig) -> str:
    """Answers of receivers take half a second more."""
    since = time.time()
    with rig.receiver.slow(SLOW_ANSWER):
        time.sleep(4.0)
    rows = rig.rows(
        "SELECT total_ms FROM events_attempt WHERE started_at > to_timestamp(%s) "
        "AND subscription_id = ANY(%s)",
        since,
        rig.lanes,
    )
    median = percentile([ms for (ms,) in rows], 0.5)
    return f"answers 500 ms later for 4 s: the median send took {median:.0f} ms"


def receivers_cut(rig: Rig) -> str:
    """Every connection to receivers is cut with requests and answers in it, again and again."""
    cut = 0
    for _ in range(5):
        with rig.receiver.silence(requests=False):
            time.sleep(0.2)
            cut += rig.receiver.cut(reset=True)
        time.sleep(0.3)
    return f"{cut} connections reset with answers in them"
