"""The faults of `make drill`, each injected into a running stack from outside it, under load.

`QUICK` are those of `make drill-quick`; the full run adds `LONG` and many kills.
"""

from __future__ import annotations

from functools import partial

from drills import clocks, endpoints, jobs, kills, lookups, network, storage
from drills.drill import Fault, Repeating

NEVER, WINDOW, RECORDS = Repeating.NEVER, Repeating.WINDOW, Repeating.RECORDS

QUICK = (
    Fault("no fault", "each arrives once", kills.nothing, 20, NEVER),
    Fault("worker process dies", "same webhook-id", kills.worker_before_it_sent, 30, WINDOW),
    Fault("worker dies after sending", "same webhook-id", kills.worker_after_it_sent, 30, WINDOW),
    Fault("all workers die", "restarted", kills.all_workers, 40, WINDOW),
    Fault("worker frozen", "taken over, late verdict fenced", kills.worker_frozen, 40, RECORDS),
    Fault("dispatcher dies", "restarted", kills.dispatcher, 30, WINDOW),
    Fault("web dies", "restarted, producers try again", kills.web, 30, NEVER),
    Fault("deployment", "no 5xx, nothing twice", kills.deployment, 40, NEVER),
    Fault("publish cut", "stored once, the repeat is told", network.publish_cut, 30, RECORDS),
    Fault("PostgreSQL crashes", "503, then all reconnect", storage.crash, 40, RECORDS),
    Fault("sessions ended", "retried or fenced", storage.end_sessions, 30, RECORDS),
    Fault("table locked", "lock time-out, backoff", storage.lock_tables, 40, RECORDS),
    Fault("disk full", "503, nothing accepted is lost", storage.fill_disk, 30, RECORDS),
    Fault("FLUSHALL", "nothing lost", network.flush, 20, NEVER),
    Fault("broker silent", "no call waits", network.broker_silent, 40, NEVER),
    Fault("broker gone", "delivered meanwhile", network.broker_gone, 40, NEVER),
    Fault("redirect inside", "a failure, not followed", endpoints.redirects, 20, NEVER),
    Fault("black holes", "p95 of the others within 2x", endpoints.black_holes, 30, NEVER),
)

LONG = (
    Fault("backend killed", "all sessions drop and heal", storage.kill_backend, 40, RECORDS),
    Fault("PostgreSQL connections reset", "retried", network.database_cut, 30, RECORDS),
    Fault("PostgreSQL slow", "no lease lost", network.database_slow, 40, RECORDS),
    Fault("broker killed", "starts empty", network.broker_killed, 40, NEVER),
    Fault("receivers slow", "delivered", network.receivers_slow, 30, NEVER),
    Fault("receivers cut off", "sent again", network.receivers_cut, 30, RECORDS),
    Fault("endpoint hangs or drips", "timed out", endpoints.hangs, 20, NEVER),
    Fault("endpoint breaks off", "unreachable", endpoints.breaks, 20, NEVER),
    Fault("endless body, gzip bomb", "capped", endpoints.floods_with_body, 20, NEVER),
    Fault("endpoint is not HTTP", "unreachable", endpoints.is_not_http, 20, NEVER),
    Fault("1xx flood", "timed out", endpoints.never_comes_to_the_point, 20, NEVER),
    Fault("odd answers", "failures, or clean", endpoints.answers_oddly, 20, NEVER),
    Fault("name turns private", "blocked", lookups.flip, 20, NEVER, lookups.missing),
    Fault("resolver down", "our fault", lookups.resolver_down, 20, NEVER, lookups.missing),
    Fault("no such name", "unreachable", lookups.no_such_name, 20, NEVER, lookups.missing),
    Fault("clock 10 min ahead", "out of rotation", clocks.ahead, 30, NEVER, clocks.missing),
    Fault("clock 10 min behind", "out of rotation", clocks.behind, 30, NEVER, clocks.missing),
    Fault("probe dies", "another probe", jobs.probe_dies, 30, WINDOW),
    Fault("replay cut", "each once", jobs.replay_cut, 60, WINDOW),
    Fault("retention with a parked row", "waits", jobs.retention_waits, 30, NEVER),
)


def cycles(count: int) -> Fault:
    """Many kills of random processes under one long load."""
    words = f"{count} kills of random processes"
    return Fault(words, "nothing lost", partial(kills.many, count=count), 120, WINDOW)
