"""Processes of ours that die, freeze and are told to stop."""

from __future__ import annotations

import random
import signal
import time
from itertools import pairwise

import psutil

from drills.aside import SELDOM, Broken, until
from drills.network import late_records
from drills.processes import send
from drills.producer import NONE
from drills.rig import Rig
from events.rules import ids
from events.rules.ids import Prefix

HELD_FOR = 0.4
"""Seconds in which answers or requests gather in the proxy before a worker is killed."""

RESTARTED_WITHIN = 45.0

REPLACED_WITHIN = 150.0
"""A worker that hears nothing for 60 s is told to end, and killed 30 s later."""

RESCUED_IN = 5.0
"""Seconds after its lease in which a delivery is due again (G3)."""

AWAY = 30.0
"""Seconds that the only web process may keep producers waiting, on a machine that is busy.

It is out of rotation for 2 s, then answers what it has for up to 10 s, then another one starts.
"""

SETTLED = 0.5
"""Seconds since the last accepted publish: the new process answers."""

ROLES = ("worker child", "worker", "dispatcher", "web")

HELD_BACK = 4.5
"""Seconds of a pause and of an open breaker: more than the two after which nothing is sent."""

MINUTE = 60.0
KILLS_A_MINUTE = 1
"""Of one role: after five exits in a minute the supervisor names a crash loop and waits."""


def nothing(_rig: Rig) -> str:
    """Load alone: what is seen without a fault."""
    time.sleep(1.5)
    return "nothing was done"


def worker_before_it_sent(rig: Rig) -> str:
    """Its requests are under way and have not arrived; then it is killed."""
    return _kill_sender(rig, requests=True)


def worker_after_it_sent(rig: Rig) -> str:
    """Receivers have taken its requests and their answers have not arrived; then it is killed."""
    return _kill_sender(rig, requests=False)


def _kill_sender(rig: Rig, *, requests: bool) -> str:
    with rig.receiver.silence(requests=requests, answers=not requests):
        time.sleep(HELD_FOR)
        victim = _busiest(rig)
        send(victim, signal.SIGSTOP)
        ports = {one.laddr.port for one in victim.net_connections("tcp4")}
        rig.kill([victim])
        # Otherwise what it sent would still arrive, out of the proxy. Others go on.
        rig.receiver.cut(reset=True, ports=ports)
    return f"kill -9 of one worker process with {rig.at_risk} sends under way"


def _busiest(rig: Rig) -> psutil.Process:
    """The worker process with the most sends in flight, as soon as one has any."""
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = _senders(rig)
        return bool(found)

    until("a send in flight", look)
    return found[0]


def _senders(rig: Rig) -> list[psutil.Process]:
    """The worker processes that have something in flight, the busiest first."""
    children = {child.pid: child for child in rig.processes("worker child")}
    rows = rig.rows(
        "SELECT worker FROM events_owed WHERE state = 'in_flight' GROUP BY 1 ORDER BY count(*) DESC"
    )
    busy = (int(worker.rpartition(":")[2] or 0) for (worker,) in rows)
    return [children[pid] for pid in busy if pid in children]


def all_workers(rig: Rig) -> str:
    return kill_role(rig, "worker")


def dispatcher(rig: Rig) -> str:
    return kill_role(rig, "dispatcher")


def web(rig: Rig) -> str:
    began = time.monotonic()
    words = kill_role(rig, "web")
    until("an answer of the new one", lambda: _longest_gap(rig, began)[1] < SETTLED, within=AWAY)
    return f"{words}; nothing accepted for {_longest_gap(rig, began)[0]:.1f} s"


def kill_role(rig: Rig, role: str) -> str:
    """`kill -9` of every process of a role that runs now; it has to come back."""
    victims = rig.processes(role)
    before = {process.pid for process in victims}
    rig.kill([one for victim in victims for one in _with_children(victim)])
    took = _until_another(rig, role, before)
    return f"kill -9 of every {role} process; another one after {took:.1f} s"


def worker_frozen(rig: Rig) -> str:
    """A worker that stands still for longer than its lease, and comes back late."""
    late = late_records(rig)
    with rig.receiver.silence(requests=False):
        time.sleep(HELD_FOR)
        victim = _busiest(rig)
        send(victim, signal.SIGSTOP)
    began = time.monotonic()
    try:
        until("a takeover", lambda: not _held_by(rig, victim), within=rig.lease + RESCUED_IN)
        took = time.monotonic() - began
        time.sleep(max(0.0, (2 * rig.lease if rig.full else rig.lease + 1) - took))
    finally:
        send(victim, signal.SIGCONT)
    until("a late attempt on record", lambda: late_records(rig) > late, within=10)
    return (
        f"SIGSTOP of one worker process for {time.monotonic() - began:.0f} s: taken over after "
        f"{took:.1f} s, {late_records(rig) - late} attempts kept as late"
    )


def worker_deaf(rig: Rig) -> str:
    """The process that hears for a worker stands still, while its children live."""
    before = _pids(rig, "worker")
    rig.send("worker", signal.SIGSTOP)
    took = _until_another(rig, "worker", before, within=REPLACED_WITHIN)
    return f"SIGSTOP of the worker that hears for its processes; another one after {took:.0f} s"


def _held_by(rig: Rig, process: psutil.Process) -> int:
    """How many deliveries a process has a lease on."""
    [(many,)] = rig.rows(
        "SELECT count(*) FROM events_owed WHERE state = 'in_flight' AND worker LIKE %s",
        f"%:{process.pid}",
    )
    return int(many)


def deployment(rig: Rig) -> str:
    """SIGTERM to dispatcher, worker and web, one after the other, each back before the next."""
    began = time.monotonic()
    took = [f"{role} {_restart(rig, role):.1f} s" for role in ("dispatcher", "worker", "web")]
    until(
        "an answer of the new web process",
        lambda: _longest_gap(rig, began)[1] < SETTLED,
        within=AWAY,
    )
    answers = rig.producer.since(began)
    errors = sorted({answer.status for answer in answers if answer.status >= 500})
    if errors:
        raise Broken(f"producers were answered {errors} while processes were restarted")
    refused = sum(answer.status == NONE for answer in answers)
    if (gap := _longest_gap(rig, began)[0]) > AWAY:
        raise Broken(f"nothing was accepted for {gap:.1f} s, {refused} connections were refused")
    return (
        f"SIGTERM in turn, back after: {', '.join(took)}; no 5xx in {len(answers) - refused} "
        f"answers; {refused} connections refused, nothing accepted for {gap:.1f} s at most"
    )


def _longest_gap(rig: Rig, began: float) -> tuple[float, float]:
    """The longest time without an accepted publish since then, and the one that lasts."""
    times = [began, *(one.at for one in rig.producer.since(began) if one.accepted)]
    lasts = time.monotonic() - times[-1]
    return max([lasts, *(b - a for a, b in pairwise(times))]), lasts


def _restart(rig: Rig, role: str) -> float:
    before = _pids(rig, role)
    rig.send(role, signal.SIGTERM)
    return _until_another(rig, role, before)


def _pids(rig: Rig, role: str) -> set[int]:
    return {process.pid for process in rig.processes(role)}


def _until_another(
    rig: Rig, role: str, before: set[int], *, within: float = RESTARTED_WITHIN
) -> float:
    """Seconds until a process of a role runs that did not run before."""
    return until(
        f"another {role}",
        lambda: bool(_pids(rig, role) - before),
        within=within,
        every=SELDOM,
    )


def many(rig: Rig, count: int) -> str:
    """Many kills of random processes under one long load."""
    killed_at: list[tuple[str, float]] = []
    while len(killed_at) < count:
        role = _victim(killed_at)
        found = rig.processes(role)
        victims = random.sample(found, 1) if role == "worker child" and found else found
        if victims:
            rig.kill([one for victim in victims for one in _with_children(victim)])
            killed_at.append((role, time.monotonic()))
        time.sleep(random.uniform(1.0, 4.0))
    parts = [f"{sum(one == role for one, _ in killed_at)} {role}" for role in ROLES]
    return f"kill -9: {', '.join(parts)}"


def held(rig: Rig) -> str:
    """One lane is paused, another one's breaker opened: law (i) sees that nothing is sent there."""
    paused, _, opened = (ids.encode(Prefix.SUBSCRIPTION, lane) for lane in rig.lanes)
    began = time.monotonic()
    rig.stack.api("POST", f"/subscriptions/{paused}/pause")
    rig.stack.api("POST", f"/subscriptions/{opened}/breaker/open", {"seconds": HELD_BACK})
    time.sleep(HELD_BACK)
    waiting = rig.owed()
    rig.stack.api("POST", f"/subscriptions/{paused}/resume")
    if "/ok" not in waiting or "/flaky" not in waiting:
        raise Broken(f"lanes that were held back owe only {waiting or 'nothing'}")
    return f"held back for {time.monotonic() - began:.1f} s: {waiting}"


def _with_children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _victim(killed_at: list[tuple[str, float]]) -> str:
    """A role that was not killed so often that the supervisor would take it for a crash loop."""
    since = time.monotonic() - MINUTE
    lately = [role for role, at in killed_at if at > since]
    spared = [
        role for role in ROLES if role != "worker child" and lately.count(role) >= KILLS_A_MINUTE
    ]
    return random.choice([role for role in ROLES if role not in spared])
