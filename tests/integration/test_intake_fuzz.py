"""Whatever a producer sends, it hears what was wrong; it never hears of an error of ours."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.problems import Code
from tests.lane import Lane, call

pytestmark = pytest.mark.usefixtures("lawful")

FUZZ = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TYPES = (
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "text/plain",
)
NAMES = (
    *("type", "data", "source", "id", "subject", "time", "tenant", "ordering_key", "priority"),
    *("datacontenttype", "dataschema", "extensions", "specversion", "data_base64", "traceparent"),
    *("partitionkey", "x"),
)


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["1.0", "t", "high", "2026-01-01T00:00:00Z", "application/json", "AA=="])
)
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3)
)
items = st.dictionaries(st.sampled_from(NAMES), values, max_size=8).map(
    lambda found: {"type": "t", "specversion": "1.0", "id": "1", "source": "/s", **found}
)
bodies = (
    st.binary(max_size=200)
    | values.map(_json)
    | items.map(_json)
    | st.lists(items | values, max_size=4).map(_json)
)
header_text = st.text(st.characters(max_codepoint=255), max_size=40)
headers = st.dictionaries(
    st.sampled_from(
        [
            *("idempotency-key", "traceparent", "content-encoding", "content-type"),
            *("ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-x", "ce-", "ce-é"),
        ]
    ),
    header_text,
    max_size=4,
)


def spoiled(body: bytes, at: int, byte: int) -> bytes:
    """One byte of it is another one."""
    place = at % max(1, len(body))
    return body[:place] + bytes([byte]) + body[place + 1 :]


def heard(lane: Lane, body: bytes, sent: dict[str, str]) -> int:
    pairs = [(b"authorization", f"Bearer {lane.key}".encode())]
    pairs += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
    answer = lane.run(call(lane.intake, pairs, [body]))
    assert answer.status < 500, (body, sent, answer)
    if answer.status >= 400:
        assert answer.json["code"] in list(Code)
        assert answer.json["detail"]
    return int(answer.status)


@FUZZ
@given(bodies, st.sampled_from(TYPES))
def test_no_body_is_an_error_of_ours(lane: Lane, body: bytes, content_type: str) -> None:
    heard(lane, body, {"content-type": content_type})


@FUZZ
@given(items, st.sampled_from(TYPES[:2]), st.integers(0, 10_000), st.integers(0, 255))
def test_no_spoiled_byte_is_an_error_of_ours(
    lane: Lane, item: dict[str, object], content_type: str, at: int, byte: int
) -> None:
    heard(lane, spoiled(_json(item), at, byte), {"content-type": content_type})


@FUZZ
@given(headers, st.binary(max_size=50), st.booleans())
def test_no_header_is_an_error_of_ours(
    lane: Lane, sent: dict[str, str], body: bytes, binary: bool
) -> None:
    heard(lane, body, sent | ({"ce-specversion": "1.0"} if binary else {}))
