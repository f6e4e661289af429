"""What the network did with one attempt, and whose fault that is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import assert_never

MAX_DETAIL = 200


class UnreachableKind(StrEnum):
    """`dns`: the name does not exist. `resolver`: our own resolver failed, so we do not know.

    `local`: this process could not even try, because it had no file handle left for instance.
    """

    DNS = "dns"
    RESOLVER = "resolver"
    LOCAL = "local"
    REFUSED = "refused"
    RESET = "reset"
    TLS = "tls"
    PROTOCOL = "protocol"
    NETWORK = "network"


class TimeoutPhase(StrEnum):
    CONNECT = "connect"
    RESPONSE = "response"
    TOTAL = "total"


class Fault(StrEnum):
    """Whose fault an outcome is: nobody's, the endpoint's, the event's own, or ours."""

    NONE = "none"
    ENDPOINT = "endpoint"
    EVENT = "event"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Responded:
    """The endpoint answered; `retry_after` is its Retry-After header as it came."""

    status: int
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    kind: UnreachableKind
    detail: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    phase: TimeoutPhase
    detail: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """We refused to connect: the address is not one that we may send to."""

    reason: str


Outcome = Responded | Unreachable | TimedOut | Blocked

# The endpoint is well and says that it cannot take this content, whoever sends it.
_EVENT_STATUSES = frozenset({400, 413, 414, 415, 422})

_BLOCKED_WORDS = "blocked address"

_UNREACHABLE_WORDS = {
    UnreachableKind.DNS: "unknown host name",
    UnreachableKind.RESOLVER: "name resolver failure",
    UnreachableKind.LOCAL: "failure on this side",
    UnreachableKind.REFUSED: "connection refused",
    UnreachableKind.RESET: "connection reset",
    UnreachableKind.TLS: "TLS failure",
    UnreachableKind.PROTOCOL: "invalid HTTP answer",
    UnreachableKind.NETWORK: "network failure",
}

_OUR_KINDS = (UnreachableKind.RESOLVER, UnreachableKind.LOCAL)

OUR_ERRORS = (*(_UNREACHABLE_WORDS[kind] for kind in _OUR_KINDS), _BLOCKED_WORDS)
"""How the errors begin that are a fault of ours."""

_TIMEOUT_WORDS = {
    TimeoutPhase.CONNECT: "timeout while connecting",
    TimeoutPhase.RESPONSE: "timeout while waiting for the answer",
    TimeoutPhase.TOTAL: "timeout before the answer was complete",
}


def label(outcome: Outcome) -> str:
    """The outcome's name in attempts, logs and metrics."""
    match outcome:
        case Responded():
            return "responded"
        case Unreachable():
            return "unreachable"
        case TimedOut():
            return "timed_out"
        case Blocked():
            return "blocked"
        case _:
            assert_never(outcome)


def error_of(outcome: Outcome) -> str:
    """What went wrong, as a short noun phrase in printable characters; empty for a 2xx."""
    match outcome:
        case Responded(status):
            return _status_words(status)
        case Unreachable(kind, detail):
            return _with_detail(_UNREACHABLE_WORDS[kind], detail)
        case TimedOut(phase, detail):
            return _with_detail(_TIMEOUT_WORDS[phase], detail)
        case Blocked(reason):
            return _with_detail(_BLOCKED_WORDS, reason)
        case _:
            assert_never(outcome)


def fault(outcome: Outcome) -> Fault:
    """Whose fault the outcome is; only `endpoint` counts against the subscription's health."""
    match outcome:
        case Responded(status):
            return _fault_of_status(status)
        case Unreachable(UnreachableKind.RESOLVER | UnreachableKind.LOCAL) | Blocked():
            return Fault.OURS
        case Unreachable() | TimedOut():
            return Fault.ENDPOINT
        case _:
            assert_never(outcome)


def succeeded(status: int) -> bool:
    return 200 <= status <= 299


def _fault_of_status(status: int) -> Fault:
    if succeeded(status):
        return Fault.NONE
    return Fault.EVENT if status in _EVENT_STATUSES else Fault.ENDPOINT


def _status_words(status: int) -> str:
    if succeeded(status):
        return ""
    words = f"{status} {_phrase(status)}".rstrip()
    return f"{words}, a redirect" if 300 <= status <= 399 else words


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _with_detail(words: str, detail: str) -> str:
    # The detail may quote what a hostile endpoint sent, and Postgres text refuses NUL and lone
    # surrogates: an error that cannot be stored would poison its whole batch.
    printable = "".join(c if c.isprintable() else " " for c in detail[:MAX_DETAIL])
    short = " ".join(printable.split())
    return f"{words}: {short}" if short else words
