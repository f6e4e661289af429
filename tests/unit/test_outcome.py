from __future__ import annotations

import pytest

from events.rules.outcome import (
    Blocked,
    Fault,
    Outcome,
    Responded,
    TimedOut,
    TimeoutPhase,
    Unreachable,
    UnreachableKind,
    error_of,
    fault,
    label,
)


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Responded(500), "responded"),
        (Unreachable(UnreachableKind.TLS, ""), "unreachable"),
        (TimedOut(TimeoutPhase.TOTAL, ""), "timed_out"),
        (Blocked("private network"), "blocked"),
    ],
)
def test_each_outcome_has_its_label(outcome: Outcome, name: str) -> None:
    assert label(outcome) == name


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_nobodys_fault_and_no_error(status: int) -> None:
    assert fault(Responded(status)) is Fault.NONE
    assert error_of(Responded(status)) == ""


@pytest.mark.parametrize("status", [400, 413, 414, 415, 422])
def test_an_endpoint_that_refuses_the_content_is_not_at_fault(status: int) -> None:
    assert fault(Responded(status)) is Fault.EVENT


@pytest.mark.parametrize(
    "status", [101, 199, 300, 302, 304, 401, 403, 404, 405, 408, 409, 410, 429, 500, 503, 599, 999]
)
def test_any_other_answer_is_the_endpoints_fault(status: int) -> None:
    assert fault(Responded(status)) is Fault.ENDPOINT


OURS = {UnreachableKind.RESOLVER, UnreachableKind.LOCAL}


@pytest.mark.parametrize("kind", sorted(set(UnreachableKind) - OURS))
def test_an_endpoint_that_cannot_be_reached_is_at_fault(kind: UnreachableKind) -> None:
    assert fault(Unreachable(kind, "")) is Fault.ENDPOINT


@pytest.mark.parametrize("phase", list(TimeoutPhase))
def test_a_timeout_is_the_endpoints_fault(phase: TimeoutPhase) -> None:
    assert fault(TimedOut(phase, "")) is Fault.ENDPOINT


def test_our_resolver_our_handles_and_our_guard_are_our_own_fault() -> None:
    assert {fault(Unreachable(kind, "")) for kind in OURS} == {Fault.OURS}
    assert fault(Blocked("")) is Fault.OURS


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Responded(503), "503 Service Unavailable"),
        (Responded(999), "999"),
        (Responded(300), "300 Multiple Choices, a redirect"),
        (Responded(302), "302 Found, a redirect"),
        (Responded(399), "399, a redirect"),
        (Responded(400), "400 Bad Request"),
        (Unreachable(UnreachableKind.DNS, ""), "unknown host name"),
        (Unreachable(UnreachableKind.RESOLVER, ""), "name resolver failure"),
        (Unreachable(UnreachableKind.LOCAL, ""), "failure on this side"),
        (Unreachable(UnreachableKind.REFUSED, ""), "connection refused"),
        (Unreachable(UnreachableKind.RESET, "after 3 bytes"), "connection reset: after 3 bytes"),
        (Unreachable(UnreachableKind.TLS, "expired"), "TLS failure: expired"),
        (Unreachable(UnreachableKind.PROTOCOL, ""), "invalid HTTP answer"),
        (Unreachable(UnreachableKind.NETWORK, ""), "network failure"),
        (TimedOut(TimeoutPhase.CONNECT, ""), "timeout while connecting"),
        (TimedOut(TimeoutPhase.RESPONSE, ""), "timeout while waiting for the answer"),
        (TimedOut(TimeoutPhase.TOTAL, "15 s"), "timeout before the answer was complete: 15 s"),
        (Blocked("10.0.0.1 is private"), "blocked address: 10.0.0.1 is private"),
    ],
)
def test_an_error_is_told_in_short_words(outcome: Outcome, words: str) -> None:
    assert error_of(outcome) == words


def test_a_detail_that_postgres_could_not_store_is_made_printable() -> None:
    error = error_of(Unreachable(UnreachableKind.TLS, "bad\x00name\r\n\ud800 \u202eevil"))
    assert error == "TLS failure: bad name evil"


def test_a_long_detail_is_cut() -> None:
    assert error_of(Blocked("x" * 10_000)) == "blocked address: " + "x" * 200
