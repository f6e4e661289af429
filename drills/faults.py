"""The faults of `make drill`, each injected into a running stack from outside it, under load.

`QUICK` are those of `make drill-quick`; the full run adds `LONG` and many kills.
"""

from __future__ import annotations

from functools import partial

from drills import clocks, endpoints, jobs, kills, lookups, network, storage
from drills.drill import Fault, Repeating
from drills.rig import Rig

NEVER, WINDOW, RECORDS = Repeating.NEVER, Repeating.WINDOW, Repeating.RECORDS

LEASE = Rig.lease + 2
"""Seconds after which what a killed worker held was taken over and sent."""

START = 3
"""Seconds in which a process is up again."""

QUICK = (
    Fault("no fault", "each arrives once", kills.nothing, 0, NEVER),
    Fault("lanes held", "nothing is sent there", kills.held, 5, NEVER),
    Fault("worker process dies", "same webhook-id", kills.worker_before_it_sent, LEASE, WINDOW),
    Fault("worker dies after sending", "same id", kills.worker_after_it_sent, LEASE, WINDOW),
    Fault("all workers die", "restarted", kills.all_workers, LEASE + START, WINDOW),
    Fault("worker frozen", "taken over, late verdict fenced", kills.worker_frozen, LEASE, RECORDS),
    Fault("dispatcher dies", "restarted", kills.dispatcher, START, WINDOW),
    Fault("web dies", "restarted, producers try again", kills.web, START, NEVER),
    Fault("deployment", "no 5xx, nothing twice", kills.deployment, START, NEVER),
    Fault("publish cut", "stored once, the repeat is told", network.publish_cut, 5, RECORDS),
    Fault("PostgreSQL crashes", "503, then all reconnect", storage.crash, 5, RECORDS),
    Fault("sessions ended", "retried or fenced", storage.end_sessions, 5, RECORDS),
    Fault("table locked", "lock time-out, backoff", storage.lock_tables, 3, RECORDS),
    Fault("disk full", "503, nothing accepted is lost", storage.fill_disk, 5, RECORDS),
    Fault("FLUSHALL", "nothing lost", network.flush, 2, NEVER),
    Fault("broker silent", "no turn waits", network.broker_silent, 2, NEVER),
    Fault("broker gone", "delivered meanwhile, shown", network.broker_gone, 5, NEVER),
    Fault("redirect inside", "a failure, not followed", endpoints.redirects, 0, NEVER),
    Fault("black holes", "p95 of the others within 2x", endpoints.black_holes, 5, NEVER),
)

LONG = (
    Fault("worker deaf", "ends itself, restarted", kills.worker_deaf, LEASE + START, WINDOW),
    Fault("backend killed", "all sessions drop and heal", storage.kill_backend, 5, RECORDS),
    Fault("PostgreSQL connections reset", "retried", network.database_cut, 5, RECORDS),
    Fault("PostgreSQL slow", "busy, no lease lost", network.database_slow, 3, RECORDS),
    Fault("PostgreSQL silent", "nothing lost", network.database_silent, LEASE, RECORDS),
    Fault("broker killed", "starts empty", network.broker_killed, 5, NEVER),
    Fault("receivers slow", "delivered", network.receivers_slow, 2, NEVER),
    Fault("receivers cut off", "sent again", network.receivers_cut, 5, RECORDS),
    Fault("endpoint hangs or drips", "timed out", endpoints.hangs, 0, NEVER),
    Fault("endpoint breaks off", "unreachable", endpoints.breaks, 0, NEVER),
    Fault("endless body, gzip bomb", "capped", endpoints.floods_with_body, 0, NEVER),
    Fault("endpoint is not HTTP", "unreachable", endpoints.is_not_http, 0, NEVER),
    Fault("1xx flood", "timed out", endpoints.never_comes_to_the_point, 0, NEVER),
    Fault("odd answers", "failures, or clean", endpoints.answers_oddly, 0, NEVER),
    Fault("name turns private", "blocked", lookups.flip, 0, NEVER, lookups.missing),
    Fault("resolver down", "our fault", lookups.resolver_down, 0, NEVER, lookups.missing),
    Fault("no such name", "unreachable", lookups.no_such_name, 0, NEVER, lookups.missing),
    Fault("clock 10 min ahead", "out of rotation", clocks.ahead, 2, NEVER, clocks.missing),
    Fault("clock 10 min behind", "out of rotation", clocks.behind, 2, NEVER, clocks.missing),
    Fault("probe dies", "another probe", jobs.probe_dies, LEASE, WINDOW),
    Fault("replay cut", "each once", jobs.replay_cut, 5, WINDOW),
    Fault("retention with a parked row", "waits", jobs.retention_waits, 2, NEVER),
)

RANDOM = "kills of random processes"


def cycles(count: int) -> Fault:
    """So many kills under one long load."""
    return Fault(RANDOM, "nothing lost", partial(kills.many, count=count), LEASE + START, WINDOW)
