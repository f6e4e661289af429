"""Names that change their address, names that do not exist, and a resolver that is down."""

from __future__ import annotations

import time

from drills.aside import Aside, Broken, Tried, until
from drills.rig import Rig

KEPT_FOR = 10.0
"""Seconds that a worker keeps an address (events/engine/transport)."""

NAME = "endpoint.drill-{number}.example"
ONCE = {"timeout": 2.0, "schedule": [600.0]}
FAILURES = 6
"""More failures of an endpoint than open its breaker."""


def flip(rig: Rig) -> str:
    """A name that was good resolves to a private address: no connection is made any more."""
    name = _name()
    rig.names.known[name] = "127.0.0.1"
    with rig.aside(_url(rig, name), **ONCE) as aside:
        rig.keep_secret("/named", aside.secret)
        good = _try(aside, 1)
        rig.names.known[name] = "10.9.8.7"
        time.sleep(KEPT_FOR + 0.5)
        bad = _try(aside, 2)
        breaker = aside.breaker()
    _expect(good, "responded", "")
    _expect(bad, "blocked", "blocked address")
    if breaker != "closed":
        raise Broken(f"the breaker is {breaker}, though the refusal was ours")
    return f"127.0.0.1: {good.outcome}; then 10.9.8.7: {bad.outcome}, breaker {breaker}"


def resolver_down(rig: Rig) -> str:
    """Our own resolver says nothing: that is nobody's fault but ours, so no breaker moves."""
    name = _name()
    rig.names.known[name] = "127.0.0.1"
    with rig.aside(_url(rig, name), **ONCE) as aside, rig.names.silence():
        aside.publish(FAILURES)
        tried = _all(aside, FAILURES)
        breaker = aside.breaker()
    for one in tried:
        _expect(one, "unreachable", "name resolver failure")
    if breaker != "closed":
        raise Broken(f"the breaker is {breaker} after {FAILURES} failures of our own")
    return f"{FAILURES} attempts: {tried[0].error}; breaker {breaker}"


def no_such_name(rig: Rig) -> str:
    """NXDOMAIN is the endpoint's fault, and opens its breaker."""
    name = _name()
    rig.names.known[name] = "127.0.0.1"
    with rig.aside(_url(rig, name), **ONCE) as aside:
        del rig.names.known[name]
        aside.publish(FAILURES)
        tried = _all(aside, 5)
        until("an open breaker", lambda: aside.breaker() != "closed")
    for one in tried:
        _expect(one, "unreachable", "unknown host name")
    return f"{len(tried)} attempts: {tried[0].error}; then the breaker opened"


def missing(rig: Rig) -> str:
    return rig.names_missing


def _name() -> str:
    """Unknown to every worker, which keeps what it was told."""
    return NAME.format(number=time.time_ns())


def _url(rig: Rig, name: str) -> str:
    return f"http://{name}:{rig.receiver.port}/named"


def _try(aside: Aside, number: int) -> Tried:
    aside.publish()
    return _all(aside, number)[-1]


def _all(aside: Aside, many: int) -> list[Tried]:
    until(f"attempt {many}", lambda: len(aside.attempts()) >= many)
    return aside.attempts()


def _expect(tried: Tried, outcome: str, error: str) -> None:
    if tried.outcome != outcome or not tried.error.startswith(error):
        raise Broken(f"{tried.outcome} ({tried.error}) instead of {outcome} ({error})")
