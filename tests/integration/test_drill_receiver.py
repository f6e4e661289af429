"""The receiver of the drills writes down every request, and which of them verify."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bench.stack import free_port
from drills.journal import read_journal
from events.rules.signing import signature_header
from tests.make import SECRET
from tests.servers import _answers

ID = "dlv_1"
BODY = b'{"key": "k", "number": 7}'


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[HTTPConnection]:
    """A process as the drills start it, which knows the secret of one path."""
    port = free_port()
    (tmp_path / "secrets.json").write_text(json.dumps({"/ok": SECRET}))
    process = subprocess.Popen([sys.executable, "-m", "drills.receiver", str(port), str(tmp_path)])
    while process.poll() is None and not _answers(port):
        time.sleep(0.01)
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    yield connection
    connection.close()
    process.terminate()
    process.wait(10)


def signed(secret: str = SECRET) -> dict[str, str]:
    now = int(time.time())
    signature = signature_header([secret], webhook_id=ID, timestamp=now, body=BODY)
    return {"webhook-id": ID, "webhook-timestamp": str(now), "webhook-signature": signature}


def without(name: str) -> dict[str, str]:
    return {header: value for header, value in signed().items() if header != name}


@pytest.mark.parametrize(
    ("path", "headers", "verifies"),
    [
        ("/ok", signed(), True),
        ("/ok", signed("whsec_c2VjcmV0IG9mIHRoZSBvbmUgd2hvIHJvdGF0ZXMhIQ=="), False),
        ("/ok", signed() | {"webhook-id": "dlv_2"}, False),
        ("/ok", signed() | {"webhook-timestamp": "soon"}, False),
        ("/ok", without("webhook-signature"), False),
        ("/ok", without("webhook-timestamp"), False),
        ("/ok", {}, False),
        ("/unknown", signed(), False),
    ],
)
def test_a_request_that_does_not_verify_is_answered_and_written_down_as_such(
    receiver: HTTPConnection,
    tmp_path: Path,
    path: str,
    headers: Mapping[str, str],
    verifies: bool,
) -> None:
    receiver.request("POST", path, BODY, {**headers, "traceparent": "00-a-b-01"})
    assert receiver.getresponse().status == 200

    [line] = read_journal(tmp_path / "received.jsonl")
    assert (line["path"], line["status"], line["signed"]) == (path, 200, verifies)
    assert (line["id"], line["hop"]) == (headers.get("webhook-id", ""), "00-a-b-01")
    assert (line["key"], line["number"]) == ("k", 7)
