"""Endpoints that hang, lie and flood, and what is on record of the attempts at them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from drills import hostile
from drills.aside import Aside, Broken, Tried, percentile, until
from drills.proxy import tcp
from drills.rig import Rig
from tests.receiver import Receiver

KEPT = 16 * 1024
"""Bytes of an answer that an attempt keeps."""

ONCE = {"timeout": 1.0, "schedule": [600.0]}
LONGEST = 1_000 + 750
"""Milliseconds that an attempt with such a timeout may last on a machine that is busy."""

WAITING = "timeout while waiting for the answer"
INCOMPLETE = "timeout before the answer was complete"


@dataclass(frozen=True, slots=True)
class Expected:
    """The outcome of events/rules/outcome.py that must be on record, and how its words begin."""

    outcome: str
    status: int | None = None
    error: str = ""

    def fits(self, tried: Tried) -> bool:
        return (
            tried.outcome == self.outcome
            and tried.status == self.status
            and tried.error.startswith(self.error)
            and tried.milliseconds < LONGEST
        )


TAKEN = Expected("responded", 200)
PROTOCOL = Expected("unreachable", None, "invalid HTTP answer")
RESET = Expected("unreachable", None, "connection reset")


def hangs(rig: Rig) -> str:
    """Nothing comes, or a byte now and then: the deadline is for all of it."""
    return _paths(
        rig,
        {
            "/hang": Expected("timed_out", None, WAITING),
            "/drip": Expected("timed_out", None, INCOMPLETE),
        },
    )


def breaks(rig: Rig) -> str:
    """The connection ends early, or cannot be trusted."""
    seen = _paths(rig, {"/reset": RESET, "/close": RESET, "/short": PROTOCOL})
    with hostile.expired(rig.proxies, rig.folder) as url:
        tried = _judge(rig, url, Expected("unreachable", None, "TLS failure"))
    return f"{seen}; expired certificate: {tried.error}"


def floods_with_body(rig: Rig) -> str:
    """An endless body and a gzip bomb: read to a cap, never decompressed."""
    with Receiver() as receiver:
        endless = _judge(rig, receiver.url("/endless"), TAKEN)
        bomb = _judge(rig, receiver.url("/bomb"), TAKEN)
    for tried in (endless, bomb):
        if len(tried.body) > KEPT:
            raise Broken(f"{len(tried.body):,} bytes of an answer were kept")
    if not bomb.body.startswith(b"\x1f\x8b"):
        raise Broken("the gzip bomb was decompressed")
    return (
        f"endless: 200, {len(endless.body):,} bytes kept after {endless.milliseconds:.0f} ms; "
        f"gzip bomb: {len(bomb.body):,} bytes kept as they came"
    )


def is_not_http(rig: Rig) -> str:
    """100,000 headers, a status line of 5 MB, garbage."""
    return _paths(rig, {"/headers": PROTOCOL, "/line": PROTOCOL, "/garbage": PROTOCOL})


def never_comes_to_the_point(rig: Rig) -> str:
    """1xx after 1xx."""
    return _paths(rig, {"/hundred": Expected("timed_out", None, WAITING)})


def answers_oddly(rig: Rig) -> str:
    """101, 999, and a 204 with another answer behind it, which the next request must not get."""
    odd = {
        "/odd/101": Expected("responded", 101, "101"),
        "/odd/999": Expected("responded", 999, "999"),
    }
    seen = _paths(rig, odd)
    with hostile.said_too_much(rig.proxies) as url, rig.aside(url, **ONCE) as aside:
        for number in range(1, 4):
            aside.publish()
            _until_tried(aside, number)
        statuses = [tried.status for tried in aside.attempts()]
    if statuses != [204] * 3:
        raise Broken(f"three 204 with a 500 behind each were taken as {statuses}")
    return f"{seen}; 204 with a 500 behind it, three times: 204, 204, 204"


def redirects(rig: Rig) -> str:
    """302 to a cloud's metadata and to a trap on this machine: failures, and nobody goes there."""
    expected = Expected("responded", 302, "302")
    with Receiver() as receiver, Receiver() as trap:
        for place in ("http://169.254.169.254/latest/meta-data/", trap.url("/trap")):
            _judge(rig, receiver.url(f"/redirect?{place}"), expected)
        if trap.requests:
            raise Broken(f"the trap saw {len(trap.requests)} requests")
    return "302 to 169.254.169.254 and to a trap: failures, the trap saw 0 requests"


def _paths(rig: Rig, expected: dict[str, Expected]) -> str:
    """One endpoint after the other, by its path; gives what is on record of each."""
    with Receiver() as receiver:
        found = {path: _judge(rig, receiver.url(path), one) for path, one in expected.items()}
    return "; ".join(f"{path}: {one.outcome}, {one.error}" for path, one in found.items())


def _judge(rig: Rig, url: str, expected: Expected) -> Tried:
    """Sends one event there, and holds the attempt on record against what is expected."""
    with rig.aside(url, **ONCE) as aside:
        aside.publish()
        _until_tried(aside, 1)
        [tried, *_] = aside.attempts()
    if not expected.fits(tried):
        raise Broken(
            f"{url}: {tried.outcome} {tried.status} after {tried.milliseconds:.0f} ms "
            f"({tried.error}), not {expected}"
        )
    return tried


def _until_tried(aside: Aside, times: int) -> None:
    until(f"attempt {times} at {aside.type}", lambda: len(aside.attempts()) >= times)


HEALTHY = 18
HOLES = 2
HEAP = 30
"""Events that wait for each black hole."""

LOOKS = 3
"""Measurements among the black holes: the first that is good enough ends them."""

PER_SECOND = 30.0
MEASURED = 2.0
"""Seconds of one measurement; a full run takes twice as long."""


def black_holes(rig: Rig) -> str:
    """A tenth of the endpoints swallow every byte: the others are as fast as without (G12)."""
    hole = rig.proxies.before(tcp(rig.receiver.port))
    with _endpoints(rig, hole.port) as all_of_them, hole.silence():
        healthy, holes = all_of_them[:HEALTHY], all_of_them[HEALTHY:]
        without = [_p95(rig, healthy)]
        among: list[float] = []
        for one in holes:
            one.publish(HEAP)
        # A machine that is busy with something else is slower by itself: once, not every time.
        while len(among) < LOOKS and (not among or min(among) > 2 * max(without)):
            among.append(_p95(rig, all_of_them))
            without.append(_p95(rig, healthy))
        parked = [aside.breaker() for aside in holes]
    usual, best = max(without), min(among)
    words = f"p95 of {HEALTHY} healthy endpoints {best:.0f} ms among {HOLES} black holes"
    if best > 2 * usual:
        raise Broken(f"{words} at best, more than twice the {usual:.0f} ms without")
    if "closed" in parked:
        raise Broken(f"the breakers of the black holes are {parked}")
    return f"{words}, {usual:.0f} ms without; the holes were parked"


@contextmanager
def _endpoints(rig: Rig, hole: int) -> Iterator[list[Aside]]:
    with ExitStack() as stack:
        made = [stack.enter_context(rig.aside(f"/among/{n}")) for n in range(HEALTHY)]
        for _ in range(HOLES):
            aside = rig.aside(f"http://127.0.0.1:{hole}/hole", **ONCE | {"schedule": [0.2] * 20})
            made.append(stack.enter_context(aside))
        yield made


def _p95(rig: Rig, asides: list[Aside]) -> float:
    """Milliseconds from a publish to its arrival, over all healthy endpoints."""
    key, start = f"among-{time.time_ns()}", rig.journal_size
    rounds = int(PER_SECOND * (2 * MEASURED if rig.full else MEASURED) / len(asides))
    for aside in asides * rounds:
        data = {"key": key, "number": time.time()}
        event = {"type": aside.type, "source": "/among", "data": data}
        rig.stack.api("POST", "/events", event)
        time.sleep(1 / PER_SECOND)
    wanted = rounds * HEALTHY
    until(f"{wanted} arrivals", lambda: len(_took(rig, key, start)) >= wanted, within=10)
    return percentile(_took(rig, key, start), 0.95)


def _took(rig: Rig, key: str, start: int) -> list[float]:
    lines = [line for line in rig.journal(start=start) if line["key"] == key]
    return [(line["at"] - line["number"]) * 1000 for line in lines]
