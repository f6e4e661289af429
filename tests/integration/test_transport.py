"""The transport against endpoints that hang, drip, lie and flood: one outcome each, and no more."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings

from events.engine.transport import BODY_KEPT, Request, Sent, Transport
from events.rules.addresses import parse_networks
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
from tests.receiver import Receiver

HEADERS = [("webhook-id", "dlv_1"), ("content-type", "application/json")]


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


@pytest.fixture
def transport() -> Transport:
    return Transport(allowed=settings.REDRIVE_ALLOW_ADDRESSES, user_agent="Redrive/test")


@pytest.fixture
def send(runner: asyncio.Runner, transport: Transport) -> Any:
    def _send(url: str, *, timeout: float = 5.0, connect: float = 5.0) -> Sent:
        request = Request(url, HEADERS, b'{"n":1}', timeout, min(connect, timeout))
        return runner.run(transport.send(request))

    return _send


def kind_of(outcome: Outcome) -> object:
    match outcome:
        case Unreachable(kind, _):
            return kind
        case TimedOut(phase, _):
            return phase
        case Responded(status):
            return status
        case _:
            return label(outcome)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ok", 200),
        ("/status/204", 204),
        ("/odd/999", 999),
        ("/odd/101", 101),
        ("/redirect?http://example.com", 302),
        ("/close", UnreachableKind.RESET),
        ("/close?certificate=tls", UnreachableKind.RESET),
        ("/reset", UnreachableKind.RESET),
        ("/garbage", UnreachableKind.PROTOCOL),
        ("/headers", UnreachableKind.PROTOCOL),
        ("/line", UnreachableKind.PROTOCOL),
        ("/short", UnreachableKind.PROTOCOL),
        ("/hang", TimeoutPhase.RESPONSE),
        ("/hundred", TimeoutPhase.RESPONSE),
        ("/drip", TimeoutPhase.TOTAL),
        ("/slow/30", TimeoutPhase.RESPONSE),
    ],
)
def test_each_behaviour_has_its_outcome(
    send: Any, receiver: Receiver, path: str, expected: object
) -> None:
    slow = isinstance(expected, TimeoutPhase)
    sent = send(receiver.url(path), timeout=0.3 if slow else 5.0)
    assert kind_of(sent.outcome) == expected, sent.outcome
    assert sent.total_ms < (1_000 if slow else 5_000)
    assert str(receiver.port) not in error_of(sent.outcome)


@pytest.mark.parametrize("path", ["/huge", "/endless"])
def test_an_endless_body_is_read_to_a_cap_and_kept_to_a_smaller_one(
    send: Any, receiver: Receiver, path: str
) -> None:
    sent = send(receiver.url(path))
    assert kind_of(sent.outcome) == 200
    assert sent.response_body == b"x" * BODY_KEPT
    assert sent.total_ms < 2_000


def test_a_compressed_body_is_kept_as_it_came(send: Any, receiver: Receiver) -> None:
    sent = send(receiver.url("/bomb"))
    assert kind_of(sent.outcome) == 200
    assert sent.response_body.startswith(b"\x1f\x8b")
    assert len(sent.response_body) <= BODY_KEPT
    assert "accept-encoding" not in receiver.requests[0].headers


def test_odd_bytes_in_headers_and_body_are_kept_readable(send: Any, receiver: Receiver) -> None:
    sent = send(receiver.url("/nul"))
    assert kind_of(sent.outcome) == 500
    assert sent.response_body == b"a\0b\xff"
    assert ("x-odd", "�") in sent.response_headers


def test_a_port_where_nobody_listens_is_refused(send: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert kind_of(send(f"http://127.0.0.1:{port}/").outcome) == UnreachableKind.REFUSED


def test_a_peer_that_never_accepts_is_a_timeout_of_the_connect(send: Any) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        sent = send(f"http://127.0.0.1:{port}/", timeout=5.0, connect=0.2)
    assert kind_of(sent.outcome) == TimeoutPhase.CONNECT
    assert sent.total_ms < 1_000


def test_plain_text_behind_https_is_a_tls_failure(send: Any) -> None:
    def greet() -> None:
        peer, _ = plain.accept()
        with peer:
            peer.sendall(b"220 not what you think\r\n")
            peer.recv(1_000)

    with socket.create_server(("127.0.0.1", 0)) as plain:
        greeting = threading.Thread(target=greet)
        greeting.start()
        sent = send(f"https://127.0.0.1:{plain.getsockname()[1]}/")
        greeting.join()
    assert kind_of(sent.outcome) == UnreachableKind.TLS, sent.outcome


def test_a_name_that_does_not_exist_is_the_endpoints_fault(runner: asyncio.Runner) -> None:
    """Whether this machine's resolver answers or not, it is one of the two kinds for names."""
    transport = Transport(allowed=(), user_agent="x")
    request = Request("http://no-such-name.invalid/", HEADERS, b"", 5.0, 5.0)
    sent = runner.run(transport.send(request))
    assert kind_of(sent.outcome) in (UnreachableKind.DNS, UnreachableKind.RESOLVER)


def test_an_allowance_opens_what_it_names_and_nothing_else(
    runner: asyncio.Runner, receiver: Receiver
) -> None:
    for networks, outcome in (("127.0.0.1/32", Responded(200)), ("10.0.0.0/8", None), ("", None)):
        transport = Transport(allowed=parse_networks(networks), user_agent="x")
        request = Request(receiver.url(), HEADERS, b"", 5.0, 5.0)
        sent = runner.run(transport.send(request))
        assert sent.outcome == outcome or (outcome is None and isinstance(sent.outcome, Blocked))
    assert len(receiver.requests) == 1


def test_no_proxy_of_the_environment_is_used(
    send: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert kind_of(send(receiver.url()).outcome) == 200
        assert proxy.requests == []


def test_connections_are_kept_for_the_next_send(send: Any, receiver: Receiver) -> None:
    for _ in range(5):
        send(receiver.url())
    assert len({request.connection for request in receiver.requests}) == 1


def test_a_connection_that_said_too_much_is_not_used_again(send: Any, receiver: Receiver) -> None:
    for path in ("/huge", "/ok", "/short", "/ok", "/odd/101", "/ok"):
        send(receiver.url(path))
    assert [kind_of(send(receiver.url()).outcome) for _ in range(2)] == [200, 200]
    assert len(receiver.of("/ok")) == 5


def test_what_is_sent_is_the_request_and_nothing_of_ours_beside_it(
    send: Any, receiver: Receiver
) -> None:
    send(receiver.url("/ok?a=b%20c"))
    [request] = receiver.requests
    assert (request.target, request.body) == ("/ok?a=b%20c", b'{"n":1}')
    assert set(request.headers) == {
        *("webhook-id", "content-type", "user-agent", "host", "content-length", "accept"),
    }
    assert request.headers["user-agent"] == "Redrive/test"


@contextmanager
def no_handle_left() -> Iterator[None]:
    """This process may open nothing more."""
    was = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, was)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_handles_that_ran_out_are_our_fault(send: Any, receiver: Receiver, host: str) -> None:
    assert send(receiver.url()).outcome == Responded(200)
    with Receiver() as other, no_handle_left():
        outcome = send(other.url(host=host)).outcome
    assert kind_of(outcome) in (UnreachableKind.LOCAL, UnreachableKind.RESOLVER), outcome
    assert fault(outcome) == Fault.OURS
