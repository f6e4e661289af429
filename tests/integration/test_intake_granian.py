"""The publish lane behind the real web server, as a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import pytest

from events.models import Event, OwedDelivery
from tests import make
from tests.servers import TEST_DATABASE, _free_port, servers

pytestmark = pytest.mark.usefixtures("transactional_db")


@contextmanager
def served(settings: Mapping[str, str]) -> Iterator[int]:
    """Granian serves config.asgi on the test's database; gives the port."""
    found = _free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "asginl", "--host", "127.0.0.1"),
        *("--port", str(found), "--workers", "1", "--loop", "uvloop", "config.asgi:application"),
    ]
    more = servers.environment() | {"DATABASE_URL": servers.database_url(TEST_DATABASE)}
    environ = os.environ | more | settings
    web = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)
    try:
        _wait(web, found)
        yield found
    finally:
        web.send_signal(signal.SIGTERM)
        said = web.communicate(timeout=20)[1].decode()
        assert "Traceback" not in said, said


@pytest.fixture
def port(transactional_db: None) -> Iterator[int]:
    with served({}) as found:
        yield found


def _wait(web: subprocess.Popen[bytes], port: int) -> None:
    ends = time.monotonic() + 20
    while time.monotonic() < ends and web.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("granian did not start")


def test_events_are_published_through_granian(port: int) -> None:
    make.subscription()
    key = make.api_key()
    web = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def post(body: bytes | str, **more: str) -> tuple[int, dict[str, object]]:
        web.request("POST", "/api/v1/events", body, sent | more)
        answer = web.getresponse()
        return answer.status, json.loads(answer.read())

    status, first = post(b'{"type":"order.paid","id":"1","data":{"price":1.10}}')
    assert (status, first["deliveries"]) == (202, 1)
    assert bytes(Event.objects.get().data) == b'{"price":1.10}'
    assert OwedDelivery.objects.count() == 1
    again, duplicate = post(b'{"type":"order.paid","id":"1","data":{"price":1.10}}')
    assert (again, duplicate["id"]) == (200, first["id"])
    refused, problem = post(b"{")
    assert (refused, problem["code"]) == (400, "bad_json")
    large, problem = post(b"x" * 9_000_000)
    assert (large, problem["code"]) == (413, "batch_too_large")
    web.close()


SMUGGLED = (
    b"content-length: 30\r\ntransfer-encoding: chunked\r\n",
    b"content-length: 2\r\ncontent-length: 30\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    b"content-length : 2\r\n",
    b"transfer-encoding: xchunked\r\n",
    b"content-length: 2\n",
    b"transfer-encoding: chunked\n",
    b"x: y\n\ncontent-length: 2\r\n",
    b"x: y\r\n transfer-encoding: chunked\r\n",
    b"transfer-encoding: chunked\r\ncontent-length: 5;x\r\n",
    b"content-length: +2\r\n",
    b"content-length: 2\0\r\n",
    b"x\0: y\r\n",
)


def test_a_request_in_a_request_becomes_one_event_at_most(port: int) -> None:
    key = b"authorization: Bearer " + make.api_key().encode() + b"\r\n"
    start = b"POST /api/v1/events HTTP/1.1\r\nhost: x\r\n" + key
    inner = start + b'content-length: 12\r\n\r\n{"type":"t"}'
    for head in SMUGGLED:
        before = Event.objects.count()
        with socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.sendall(start + head + b"\r\n0\r\n\r\n" + inner)
            raw.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while raw.recv(65_536):
                    """Until the server has said all that it wants to."""
        assert Event.objects.count() - before <= 1, head
    # The server is not confused by any of it.
    with socket.create_connection(("127.0.0.1", port), 5) as raw:
        raw.sendall(inner)
        assert raw.recv(65_536).startswith(b"HTTP/1.1 202")
