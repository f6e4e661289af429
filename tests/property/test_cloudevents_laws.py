from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import replace

from cloudevents.core.bindings.http import HTTPMessage, from_binary_event, from_structured_event
from hypothesis import given
from hypothesis import strategies as st

from events.rules.cloudevents import (
    RESERVED_NAMES,
    CloudEvent,
    Invalid,
    Value,
    binary_headers,
    check_extension,
    check_text,
    parse_binary_headers,
    parse_time,
    structured,
)

TEXT = st.text(max_size=30).filter(lambda text: check_text(text) is None)
NONEMPTY = TEXT.filter(bool)
NAMES = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: name not in RESERVED_NAMES
)
VALUES: st.SearchStrategy[Value] = TEXT | st.booleans() | st.integers(-(2**31), 2**31 - 1)
TYPES = st.sampled_from([None, "application/json", "text/plain", "application/x+json; a=b"])
TIMES = st.none() | st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0"))
JSON_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
JSON_BYTES = st.builds(
    lambda value, indent: json.dumps(value, indent=indent).encode(),
    JSON_DATA,
    st.none() | st.integers(0, 3),
)
EVENTS = st.builds(
    CloudEvent,
    id=NONEMPTY,
    source=NONEMPTY,
    type=NONEMPTY,
    subject=st.none() | NONEMPTY,
    time=TIMES,
    datacontenttype=TYPES,
    dataschema=st.none() | NONEMPTY,
    data=st.binary(max_size=40) | JSON_BYTES,
    extensions=st.dictionaries(NAMES, VALUES, max_size=4),
)
TOKEN = re.compile(r"[\x21-\x7e]*")


def as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(EVENTS)
def test_an_event_comes_back_from_its_headers_unchanged(event: CloudEvent) -> None:
    texts = {name: as_text(value) for name, value in event.extensions.items()}
    back = parse_binary_headers(binary_headers(event), event.data)
    assert back == replace(event, extensions=texts)


@given(EVENTS)
def test_every_ce_header_is_printable_ascii_without_space_or_quote(event: CloudEvent) -> None:
    for name, value in binary_headers(event):
        if name != "content-type":
            assert TOKEN.fullmatch(value)
            assert '"' not in value
            assert re.sub("%[0-9A-F]{2}", "", value).count("%") == 0


@given(EVENTS)
def test_the_outside_library_reads_every_binary_event_alike(event: CloudEvent) -> None:
    theirs = from_binary_event(HTTPMessage(dict(binary_headers(event)), event.data))
    assert theirs.get_id() == event.id
    assert theirs.get_source() == event.source
    assert theirs.get_subject() == event.subject
    for name, value in event.extensions.items():
        assert theirs.get_extension(name) == as_text(value)


@given(EVENTS)
def test_the_outside_library_reads_every_structured_event_alike(event: CloudEvent) -> None:
    theirs = from_structured_event(HTTPMessage({}, structured(event)))
    assert theirs.get_id() == event.id
    assert theirs.get_type() == event.type
    assert theirs.get_dataschema() == event.dataschema
    for name, value in event.extensions.items():
        assert theirs.get_extension(name) == value


@given(EVENTS)
def test_structured_data_is_never_changed(event: CloudEvent) -> None:
    body = structured(event)
    members = json.loads(body)
    if "data" in members:
        assert body.endswith(b'"data":' + event.data + b"}")
        assert "data_base64" not in members
    else:
        assert b64decode(members.get("data_base64", "")) == event.data


@given(EVENTS, JSON_BYTES)
def test_json_data_is_always_embedded(event: CloudEvent, data: bytes) -> None:
    body = structured(replace(event, datacontenttype="application/json", data=data))
    assert json.loads(body)["data"] == json.loads(data)


LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=30)
HEADER_NAMES = st.sampled_from(
    ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-x", "Content-Type", "Host"]
)


@given(st.lists(st.tuples(HEADER_NAMES | LATIN_1, LATIN_1 | st.just("1.0")), max_size=8))
def test_no_headers_can_break_the_parser(headers: list[tuple[str, str]]) -> None:
    match parse_binary_headers(headers):
        case CloudEvent() as event:
            assert event.id
            assert event.source
            assert event.type
            assert all(check_extension(*item) is None for item in event.extensions.items())
        case Invalid(pointer, message):
            assert pointer
            assert message.endswith(".")


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}[Z+-].*"))
def test_no_text_can_break_the_time_parser(text: str) -> None:
    at = parse_time(text)
    assert at is None or at.tzinfo is not None
