"""What a producer hears when its request is wrong: a stable code, and the place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from events.models import Event, LoadLevel
from events.wire import Limits
from tests import make
from tests.faults import kill_other_sessions
from tests.lane import Lane, call

STRUCTURED = {"content-type": "application/cloudevents+json"}
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
CE = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


@pytest.fixture
def narrow(transactional_db: None) -> Iterator[Lane]:
    """A lane with small limits."""
    found = Lane(key=make.api_key(), limits=Limits(event=100, batch=1_000, items=3))
    yield found
    found.close()


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        (b"", 400, "bad_json", None),
        (b"{", 400, "bad_json", None),
        (b'{"type":"t"} x', 400, "bad_json", None),
        (b'{"type":"t","data":NaN}', 400, "bad_json", None),
        (b'{"type":"t","data":"\\ud800"}', 400, "bad_json", None),
        (b'{"type":"t\xff"}', 422, "invalid_text", None),
        (b'{"type":"t","data":"\xc0\xaf"}', 422, "invalid_text", None),
        (b"{}", 422, "missing_field", "/type"),
        (b'{"type":"t","colour":1}', 422, "unknown_field", "/colour"),
        (b'{"type":5}', 422, "invalid_field", "/type"),
        (b'{"type":null}', 422, "invalid_field", "/type"),
        (b'"type"', 422, "invalid_field", ""),
        (b'{"type":""}', 422, "invalid_field", "/type"),
        (b'{"type":"a\\u0000"}', 422, "invalid_text", "/type"),
        (b'{"type":"t","subject":"a\\u0085"}', 422, "invalid_text", "/subject"),
        (b'{"type":"t","ordering_key":"\\u0000"}', 422, "invalid_text", "/ordering_key"),
        (b'{"type":"t","tenant":"\\u0000"}', 422, "invalid_text", "/tenant"),
        (b'{"type":"t","time":"yesterday"}', 422, "invalid_field", "/time"),
        (b'{"type":"t","priority":"urgent"}', 422, "invalid_field", "/priority"),
        (b'{"type":"t","datacontenttype":"json"}', 422, "invalid_field", "/datacontenttype"),
        (b'{"type":"t","extensions":[]}', 422, "invalid_field", "/extensions"),
        (b'{"type":"t","extensions":{"A":1}}', 422, "invalid_field", "/extensions/A"),
        (b'{"type":"t","extensions":{"a/b~":1}}', 422, "invalid_field", "/extensions/a~1b~0"),
        (b'{"type":"t","extensions":{"n":2147483648}}', 422, "invalid_field", "/extensions/n"),
        (b'{"type":"t","extensions":{"a":"\\u0000"}}', 422, "invalid_text", "/extensions/a"),
        (b'{"type":"' + b"t" * 1_025 + b'"}', 422, "invalid_field", "/type"),
        (b'{"type":"' + "ü".encode() * 513 + b'"}', 422, "invalid_field", "/type"),
    ],
)
def test_a_wrong_json_event_is_refused_with_its_place(
    lane: Lane, body: bytes, status: int, code: str, pointer: str | None
) -> None:
    answer = lane.post(body)
    assert (answer.status, answer.code) == (status, code), answer.json
    if pointer is not None:
        assert answer.pointer == pointer
    assert answer.json["type"] == f"urn:redrive:problem:{code}"
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    ("changed", "code", "pointer"),
    [
        ({"specversion": "0.3"}, "invalid_field", "/specversion"),
        ({"specversion": None}, "invalid_field", "/specversion"),
        ({"id": ""}, "invalid_field", "/id"),
        ({"source": 1}, "invalid_field", "/source"),
        ({"data_base64": "!"}, "invalid_field", "/data_base64"),
        ({"data_base64": "AA==", "data": 1}, "invalid_field", "/data_base64"),
        ({"ext": {"a": 1}}, "invalid_field", "/ext"),
        ({"Ext": "a"}, "invalid_field", "/Ext"),
        ({"ext": "\x00"}, "invalid_text", "/ext"),
    ],
)
def test_a_wrong_structured_cloudevent_is_refused_with_its_place(
    lane: Lane, changed: dict[str, Any], code: str, pointer: str
) -> None:
    answer = lane.post(CE | changed, STRUCTURED)
    assert (answer.status, answer.code) == (422, code), answer.json
    assert answer.pointer.removeprefix("/extensions") == pointer


def test_a_structured_cloudevent_that_lacks_a_member_is_refused(lane: Lane) -> None:
    for name in CE:
        answer = lane.post({k: v for k, v in CE.items() if k != name}, STRUCTURED)
        assert (answer.status, answer.code, answer.pointer) == (422, "missing_field", f"/{name}")


@pytest.mark.parametrize(
    ("changed", "code", "pointer"),
    [
        ({"ce-type": None}, "missing_field", "/ce-type"),
        ({"ce-specversion": "2"}, "invalid_field", "/ce-specversion"),
        ({"ce-subject": "%C0%A0"}, "invalid_field", "/ce-subject"),
        ({"ce-Bad_Name": "a"}, "invalid_field", "/ce-bad_name"),
        ({"ce-datacontenttype": "a/b"}, "invalid_field", "/ce-datacontenttype"),
        ({"ce-data": "x"}, "invalid_field", "/ce-data"),
        ({"content-type": "nonsense"}, "invalid_field", "/content-type"),
    ],
)
def test_a_wrong_binary_cloudevent_is_refused_with_its_header(
    lane: Lane, changed: dict[str, str | None], code: str, pointer: str
) -> None:
    headers = {k: v for k, v in (BINARY | changed).items() if v is not None}
    answer = lane.post(b"x", headers)
    assert (answer.status, answer.code, answer.pointer) == (422, code, pointer), answer.json


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/xml", "json"])
def test_an_unknown_content_type_is_415(lane: Lane, content_type: str) -> None:
    answer = lane.post(b"{}", {"content-type": content_type})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_a_compressed_body_is_415(lane: Lane) -> None:
    answer = lane.post(b"\x1f\x8b", {"content-encoding": "gzip"})
    assert (answer.status, answer.code) == (415, "content_encoding")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic abc", "Bearer rdk_aaaaaaaa_" + "b" * 43]
)
def test_without_a_good_key_it_is_401_and_says_how_to_sign_in(
    lane: Lane, header: str | None
) -> None:
    pairs = [] if header is None else [(b"authorization", header.encode())]
    answer = lane.run(call(lane.intake, pairs, [b"{}"]))
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_expired_or_revoked_key_is_401(lane: Lane) -> None:
    for column in ("expires_at", "revoked_at"):
        text = make.api_key()
        row = make.api_key_row(text)
        setattr(row, column, timezone.now())
        row.save()
        assert lane.post({"type": "t"}, key=text).status == 401


def test_a_key_without_the_scope_is_403(lane: Lane) -> None:
    answer = lane.post({"type": "t"}, key=make.api_key(scopes=["read", "manage"]))
    assert (answer.status, answer.code) == (403, "forbidden")


def test_an_event_over_the_limit_is_413_and_names_the_limit(narrow: Lane) -> None:
    answer = narrow.post({"type": "t", "data": "x" * 100})
    assert (answer.status, answer.code) == (413, "event_too_large")
    assert "100" in answer.json["detail"]
    assert "REDRIVE_EVENT_MAX_BYTES" in answer.json["detail"]
    assert narrow.post(b'{"type":"t","data":"' + b"x" * 78 + b'"}').status == 202


def test_a_batch_over_a_limit_is_413_and_stores_nothing(narrow: Lane) -> None:
    many = narrow.post([{"type": "t"}] * 4)
    assert (many.status, many.code) == (413, "too_many_items")
    large = narrow.post([{"type": "t", "data": "x" * 90}] * 20)
    assert (large.status, large.code) == (413, "batch_too_large")
    assert Event.objects.count() == 0


def test_a_large_item_of_a_batch_is_413_and_its_neighbours_are_stored(narrow: Lane) -> None:
    answer = narrow.post([{"type": "a"}, {"type": "b", "data": "x" * 100}, {"type": "c"}])
    assert [item["status"] for item in answer.json["data"]] == [202, 413, 202]
    assert answer.json["data"][1]["error"]["code"] == "event_too_large"


def test_a_body_is_refused_as_soon_as_it_is_too_long(narrow: Lane) -> None:
    """The endless body below would never end if it were read to its end."""
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 400, "more_body": True}

    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    key = f"Bearer {narrow.key}".encode()
    narrow.run(narrow.intake({"headers": [(b"authorization", key)]}, receive, send))
    assert (said[0]["status"], read) == (413, 3)


def test_a_body_in_parts_is_read_as_one(lane: Lane) -> None:
    pairs = [(b"authorization", f"Bearer {lane.key}".encode())]
    parts = [b'{"ty', b"", b'pe":"t"}']
    assert lane.run(call(lane.intake, pairs, parts)).status == 202


def test_a_client_that_hangs_up_while_it_sends_stores_nothing(lane: Lane) -> None:
    pairs = [(b"authorization", f"Bearer {lane.key}".encode())]
    messages = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(_: dict[str, Any]) -> None:
        raise AssertionError("nobody listens")

    with pytest.raises(asyncio.CancelledError):
        lane.run(lane.intake({"headers": pairs}, receive, send))
    assert Event.objects.count() == 0


def test_an_unreachable_database_is_503_and_the_lane_heals(lane: Lane) -> None:
    lane.post({"type": "t"})
    kill_other_sessions()
    answers = [lane.post({"type": "t"}) for _ in range(10)]
    refused = [answer for answer in answers if answer.status != 202]
    assert refused
    assert {(a.status, a.code, a.headers["retry-after"]) for a in refused} == {
        (503, "unavailable", "1")
    }
    assert answers[-1].status == 202
    assert Event.objects.count() == 1 + len(answers) - len(refused)
    connection.close_pool()


def test_whoever_waits_for_a_commit_that_hangs_is_refused_with_it(lane: Lane) -> None:
    connection.ensure_connection()
    began = time.monotonic()
    with psycopg.connect(connection.connection.info.dsn) as other:
        other.execute("LOCK TABLE events_event IN ACCESS EXCLUSIVE MODE")
        # Each with a commit of its own: one after the other they would hang for four times as long.
        posts = [lane.posting({"type": "t"}, {"idempotency-key": f'"{n}"'}) for n in range(4)]
        answers = lane.together(posts)
    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    assert time.monotonic() - began < 9
    assert lane.post({"type": "t"}, {"idempotency-key": '"0"'}).status == 202


def test_overload_refuses_low_priority_first(lane: Lane) -> None:
    LoadLevel.objects.create(id=1, level="overloaded", reasons=["backlog"])
    low = lane.post({"type": "t", "priority": "low"})
    assert (low.status, low.code) == (429, "overloaded")
    assert int(low.headers["retry-after"]) > 0
    assert lane.post({"type": "t"}).status == 202


def test_a_full_disk_refuses_every_publish(lane: Lane) -> None:
    LoadLevel.objects.create(id=1, disk_full=True)
    answer = lane.post([{"type": "t", "priority": "high"}])
    assert (answer.status, answer.code) == (503, "storage_full")
    assert Event.objects.count() == 0
