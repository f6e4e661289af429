"""Two faults at the same moment, in different parts of the system: drawn by the dice of a run.

What each fault is held to alone, such as how producers are answered meanwhile, another one may
break. Of a pair the laws alone are asked, and that everything is back in the time of both.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from drills import kills, network, storage
from drills.drill import Fault, Repeating
from drills.faults import LEASE, START
from drills.rig import Rig

AND = " + "
"""Between the names of a pair; no fault alone has it in its name."""

LASTS = 4.0
"""Seconds of a fault that has a length."""


@dataclass(frozen=True, slots=True)
class Half:
    """One fault of a pair; two of the same `part` of the system would be in each other's way."""

    name: str
    part: str
    inject: Callable[[Rig], object]
    back: float
    repeats: Repeating


def _database_silent(rig: Rig) -> None:
    with rig.postgres.silence():
        time.sleep(LASTS)


def _database_slow(rig: Rig) -> None:
    with rig.postgres.slow(network.SLOWER):
        time.sleep(LASTS)


def _broker_silent(rig: Rig) -> None:
    with rig.broker.silence():
        time.sleep(LASTS)


def _receivers_slow(rig: Rig) -> None:
    with rig.receiver.slow(network.SLOW_ANSWER):
        time.sleep(LASTS)


NEVER, WINDOW, RECORDS = Repeating.NEVER, Repeating.WINDOW, Repeating.RECORDS

CRASH = partial(Rig.send, role="postgres", number=signal.SIGQUIT)
KILL_BROKER = partial(Rig.send, role="redis", number=signal.SIGKILL)
LOCK = partial(storage.hold_lock, seconds=LASTS)

HALVES = (
    Half("all workers die", "process", kills.all_workers, LEASE + START, WINDOW),
    Half("dispatcher dies", "process", kills.dispatcher, START, WINDOW),
    Half("web dies", "process", partial(kills.kill_role, role="web"), START, NEVER),
    Half("PostgreSQL crashes", "database", CRASH, 5, RECORDS),
    Half("sessions ended", "database", storage.end_sessions, 5, RECORDS),
    Half("PostgreSQL reset", "database", network.database_cut, 5, RECORDS),
    Half("PostgreSQL silent", "database", _database_silent, LEASE, RECORDS),
    Half("PostgreSQL slow", "database", _database_slow, 3, RECORDS),
    Half("table locked", "database", LOCK, 3, RECORDS),
    Half("FLUSHALL", "broker", network.flush, 2, NEVER),
    Half("broker silent", "broker", _broker_silent, 2, NEVER),
    Half("broker killed", "broker", KILL_BROKER, 5, NEVER),
    Half("receivers slow", "receiver", _receivers_slow, 2, NEVER),
    Half("receivers cut off", "receiver", network.receivers_cut, 5, RECORDS),
)


def drawn(dice: random.Random, count: int) -> list[Fault]:
    """So many different pairs, at most as many as there are."""
    possible = [pair for pair in combinations(HALVES, 2) if pair[0].part != pair[1].part]
    return [_pair(*halves) for halves in dice.sample(possible, min(count, len(possible)))]


def _pair(one: Half, other: Half) -> Fault:
    return Fault(
        f"{one.name}{AND}{other.name}",
        "nothing lost",
        partial(_together, halves=(one, other)),
        one.back + other.back,
        max(one.repeats, other.repeats, key=(NEVER, WINDOW, RECORDS).index),
    )


def _together(rig: Rig, halves: Sequence[Half]) -> str:
    """Both begin at once; whoever breaks down says so when both are over."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(halves)) as threads:
        done = [threads.submit(half.inject, rig) for half in halves]
    for one in done:
        one.result()
    return f"both at once, over after {time.monotonic() - began:.1f} s"
