from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event, from_structured_event

from events.rules.cloudevents import (
    BATCH_TYPE,
    STRUCTURED_TYPE,
    CloudEvent,
    Invalid,
    binary_headers,
    is_json_type,
    parse_binary_headers,
    structured,
)

PLAIN = CloudEvent(
    id="1",
    source="/shop",
    type="order.paid",
    subject=None,
    time=None,
    datacontenttype="application/json",
    dataschema=None,
    data=b'{"n":1}',
    extensions={},
)
FULL = replace(
    PLAIN,
    subject="order 7",
    time="2026-02-03T04:05:06.789Z",
    dataschema="https://example.com/schema",
    extensions={"region": "eu", "sampled": True, "cold": False, "rank": -5},
)
REQUIRED = [
    ("ce-specversion", "1.0"),
    ("ce-id", "1"),
    ("ce-source", "/shop"),
    ("ce-type", "order.paid"),
]
CONTENT_TYPE = ("Content-Type", "application/json")


def parsed(*more: tuple[str, str]) -> CloudEvent | Invalid:
    return parse_binary_headers([*REQUIRED, CONTENT_TYPE, *more], PLAIN.data)


def extension(raw: str) -> object:
    event = parsed(("ce-note", raw))
    assert isinstance(event, CloudEvent)
    return event.extensions["note"]


def test_binary_mode_sends_attributes_as_headers_and_the_type_as_content_type() -> None:
    assert binary_headers(FULL) == [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "order.paid"),
        ("ce-subject", "order%207"),
        ("ce-time", "2026-02-03T04:05:06.789Z"),
        ("ce-dataschema", "https://example.com/schema"),
        ("ce-region", "eu"),
        ("ce-sampled", "true"),
        ("ce-cold", "false"),
        ("ce-rank", "-5"),
        ("content-type", "application/json"),
    ]


def test_an_event_without_a_type_of_data_has_no_content_type() -> None:
    headers = dict(binary_headers(replace(PLAIN, datacontenttype=None)))
    assert "content-type" not in headers
    assert "ce-datacontenttype" not in headers


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ('say "100%"', "say%20%22100%25%22"),
        ("!#$&'()*+,-./:;<=>?@[\\]^_`{|}~", "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        ("caf\u00e9\u00a0", "caf%C3%A9%C2%A0"),
    ],
)
def test_values_are_percent_encoded_as_the_binding_says(value: str, header: str) -> None:
    assert dict(binary_headers(replace(PLAIN, subject=value)))["ce-subject"] == header
    event = parsed(("ce-subject", header))
    assert isinstance(event, CloudEvent)
    assert event.subject == value


def test_the_outside_library_reads_our_binary_mode() -> None:
    theirs = from_binary_event(HTTPMessage(dict(binary_headers(FULL)), FULL.data))
    assert theirs.get_id() == "1"
    assert theirs.get_subject() == "order 7"
    assert theirs.get_time() == datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
    assert theirs.get_datacontenttype() == "application/json"
    assert theirs.get_extension("region") == "eu"
    assert theirs.get_data() == {"n": 1}


def test_binary_headers_are_read_in_any_case_and_order() -> None:
    headers = [(name.upper(), value) for name, value in reversed(REQUIRED)]
    event = parse_binary_headers(
        [("Host", "x"), *headers, ("CONTENT-TYPE", "application/json"), ("Cee-id", "2")], b"{}"
    )
    assert event == replace(PLAIN, data=b"{}")


def test_what_we_send_is_what_is_read_but_for_the_types_of_extensions() -> None:
    event = parse_binary_headers(binary_headers(FULL), FULL.data)
    texts = {"region": "eu", "sampled": "true", "cold": "false", "rank": "-5"}
    assert event == replace(FULL, extensions=texts)


@pytest.mark.parametrize("missing", range(4))
def test_a_required_header_that_is_missing_is_named(missing: int) -> None:
    name = REQUIRED[missing][0]
    headers = [header for header in REQUIRED if header[0] != name]
    assert parse_binary_headers(headers) == Invalid(name, f"{name[3:]} is required.")


@pytest.mark.parametrize(
    ("header", "value", "message"),
    [
        ("ce-subject", "", "subject must not be empty."),
        ("ce-subject", "a%00b", "The character U+0000 is not allowed."),
        ("ce-subject", "%C0%A0", "The value is not percent-encoded UTF-8."),
        ("ce-subject", "%ED%A0%80", "The value is not percent-encoded UTF-8."),
        ("ce-subject", "\xe9", "The value is not percent-encoded UTF-8."),
        ("ce-subject", "€", "The value is not percent-encoded UTF-8."),
        (
            "ce-time",
            "yesterday",
            "time must be a moment in RFC 3339 form, such as 2026-02-03T04:05:06Z.",
        ),
        ("ce-my_key", "1", "An attribute name is 1 to 20 lower-case letters and digits."),
        ("ce-", "1", "An attribute name is 1 to 20 lower-case letters and digits."),
        ("ce-" + "a" * 21, "1", "An attribute name is 1 to 20 lower-case letters and digits."),
        ("ce-data", "1", "The name data is reserved."),
        ("ce-data_base64", "1", "The name data_base64 is reserved."),
        (
            "ce-datacontenttype",
            "text/plain",
            "Binary mode sends datacontenttype as Content-Type.",
        ),
    ],
)
def test_a_wrong_header_is_named_with_the_reason(header: str, value: str, message: str) -> None:
    plain = [*REQUIRED, (header, value)]
    assert parse_binary_headers(plain) == Invalid(header, message)


def test_a_header_sent_twice_is_refused() -> None:
    assert parsed(("CE-ID", "2")) == Invalid("ce-id", "This header was sent twice.")
    assert parsed(CONTENT_TYPE) == Invalid("content-type", "This header was sent twice.")


def test_another_version_of_the_spec_is_refused() -> None:
    headers = [("ce-specversion", "0.3"), *REQUIRED[1:]]
    wrong = Invalid("ce-specversion", "specversion must be 1.0.")
    assert parse_binary_headers(headers) == wrong


@pytest.mark.parametrize("value", ["", "json", "a/b\n", "é/x", "text/plain; é", "text /plain"])
def test_a_content_type_that_is_no_media_type_is_refused(value: str) -> None:
    wrong = parse_binary_headers([*REQUIRED, ("content-type", value)])
    assert isinstance(wrong, Invalid)
    assert wrong.pointer == "content-type"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ('"a%20b"', "a b"),
        ('"', '"'),
        ("%2541", "%41"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%e2%82%ac", "€"),
        ("\xe2\x82\xac", "€"),
        ("  padded\t", "padded"),
        ("", ""),
    ],
)
def test_quotes_are_undone_and_then_percents_once(raw: str, value: str) -> None:
    assert extension(raw) == value


def test_structured_mode_keeps_json_data_byte_for_byte() -> None:
    data = b' {"b" : 1.10, "a":[1e999, "\\u00e9"] , "b":2}\n'
    body = structured(replace(PLAIN, data=data))
    assert body == (
        b'{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid",'
        b'"datacontenttype":"application/json","data":' + data + b"}"
    )


def test_structured_mode_writes_extensions_with_their_own_types() -> None:
    body = json.loads(structured(FULL))
    assert (body["region"], body["sampled"], body["cold"], body["rank"]) == ("eu", True, False, -5)
    assert (body["subject"], body["time"]) == ("order 7", "2026-02-03T04:05:06.789Z")
    assert body["dataschema"] == "https://example.com/schema"


def test_the_outside_library_reads_our_structured_mode() -> None:
    theirs = from_structured_event(HTTPMessage({"content-type": STRUCTURED_TYPE}, structured(FULL)))
    assert theirs.get_subject() == "order 7"
    assert theirs.get_extension("rank") == -5
    assert theirs.get_data() == {"n": 1}


@pytest.mark.parametrize(
    ("datacontenttype", "data"),
    [
        ("text/plain", b"hello"),
        ("text/plain", b"{}"),
        ("application/octet-stream", b"\xff\x00\xfe"),
        ("application/json", b"{not json"),
        ("application/json", b'"\xff"'),
        ("application/json", b'{"a":1}{"b":2}'),
        ("application/json", b"NaN"),
        ("application/json", b'1,"id":"forged"'),
        ("application/json", b"[" * 100_000 + b"]" * 100_000),
        (None, b"\xef\xbb\xbf{}"),
    ],
)
def test_data_that_is_not_json_goes_as_base64(datacontenttype: str | None, data: bytes) -> None:
    event = replace(PLAIN, datacontenttype=datacontenttype, data=data)
    body = json.loads(structured(event))
    assert body["data_base64"] == b64encode(data).decode()
    assert "data" not in body
    theirs = from_structured_event(HTTPMessage({}, structured(event)))
    assert theirs.get_data() == data


def test_an_event_without_data_has_neither_member() -> None:
    body = json.loads(structured(replace(PLAIN, data=b"")))
    assert not {"data", "data_base64"} & set(body)


def test_data_without_a_type_is_json_if_it_reads_as_json() -> None:
    assert json.loads(structured(replace(PLAIN, datacontenttype=None)))["data"] == {"n": 1}


@pytest.mark.parametrize(
    "media", [None, "application/json", "Text/JSON", "application/x+json", "a/json ; charset=utf-8"]
)
def test_a_json_type_is_known_in_all_its_forms(media: str | None) -> None:
    assert is_json_type(media)


@pytest.mark.parametrize("media", ["", "json", "text/plain", "application/jsonl", "a/b; x=json"])
def test_another_type_is_not_json(media: str) -> None:
    assert not is_json_type(media)


def test_the_two_json_types_are_those_of_the_spec() -> None:
    assert STRUCTURED_TYPE == "application/cloudevents+json"
    assert BATCH_TYPE == "application/cloudevents-batch+json"
