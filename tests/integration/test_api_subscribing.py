"""What a subscription must not be is refused over REST, with its code and its place."""

from __future__ import annotations

from typing import Any

import pytest

from events.models import Subscription
from tests.rest import operator

pytestmark = pytest.mark.django_db

GOOD: dict[str, Any] = {"url": "http://127.0.0.1:9999/hook", "types": ["order.*"]}


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-type",
        "Content-Length",
        "connection",
        "Transfer-Encoding",
        "te",
        "expect",
        "proxy-authorization",
        "cookie",
        "webhook-id",
        "ce-id",
        "traceparent",
        "user-agent",
        "two words",
        "",
        "x\r\ny",
        "ü",
    ],
)
def test_a_header_that_is_ours_or_no_token_is_refused(name: str) -> None:
    refused = operator().post("subscriptions", GOOD | {"headers": {name: "1"}})
    assert refused.status == 422
    assert refused.code == "invalid_field"
    assert refused.pointer.startswith("/headers/")


@pytest.mark.parametrize("value", ["", " x", "x ", "a\r\nb: c", "a\0", "ü", "x" * 5000])
def test_a_header_value_that_is_not_plain_is_refused(value: str) -> None:
    refused = operator().post("subscriptions", GOOD | {"headers": {"x-a": value}})
    assert (refused.status, refused.pointer) == (422, "/headers/x-a")


def test_more_than_twenty_headers_are_refused() -> None:
    headers = {f"x-{number}": "1" for number in range(21)}
    refused = operator().post("subscriptions", GOOD | {"headers": headers})
    assert (refused.code, refused.pointer) == ("invalid_field", "/headers")


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"authentication": "basic"}, "missing_field", "/credentials"),
        ({"authentication": "basic", "credentials": "nocolon"}, "invalid_field", "/credentials"),
        ({"authentication": "bearer", "credentials": "a b"}, "invalid_field", "/credentials"),
        ({"credentials": "x:y"}, "invalid_field", "/credentials"),
        ({"authentication": "digest"}, "invalid_field", "/authentication"),
        (
            {"authentication": "bearer", "credentials": "t", "headers": {"Authorization": "x"}},
            "invalid_field",
            "/headers/authorization",
        ),
        ({"name": "a\0b"}, "invalid_text", "/name"),
        ({"name": "x" * 201}, "invalid_field", "/name"),
        ({"tenant": ""}, "invalid_field", "/tenant"),
        ({"types": []}, "invalid_field", "/types"),
        ({"types": ["ok", "a..b"]}, "invalid_field", "/types/1"),
        ({"types": ["a\0"]}, "invalid_field", "/types/0"),
        ({"types": "order.*"}, "invalid_field", "/types"),
        ({"filter": "data.total >"}, "invalid_field", "/filter"),
        ({"filter": "'\0' == type"}, "invalid_text", "/filter"),
        ({"filter": "a" * 3000}, "invalid_field", "/filter"),
        ({"schedule": [0]}, "invalid_field", "/schedule"),
        ({"schedule": [1] * 31}, "invalid_field", "/schedule"),
        ({"schedule": ["5"]}, "invalid_field", "/schedule/0"),
        ({"timeout": 0}, "invalid_field", "/timeout"),
        ({"timeout": 121}, "invalid_field", "/timeout"),
        ({"timeout": "5"}, "invalid_field", "/timeout"),
        ({"max_concurrency": 0}, "invalid_field", "/max_concurrency"),
        ({"max_concurrency": 10**30}, "invalid_field", "/max_concurrency"),
        ({"max_concurrency": True}, "invalid_field", "/max_concurrency"),
        ({"rate_limit": 0}, "invalid_field", "/rate_limit"),
        ({"format": "xml"}, "invalid_field", "/format"),
        ({"colour": "red"}, "unknown_field", "/colour"),
        ({"state": "paused"}, "unknown_field", "/state"),
        ({"url": "ftp://example.com/"}, "invalid_url", "/url"),
        ({"url": "http://10.0.0.1/"}, "invalid_url", "/url"),
        ({"url": "http://169.254.169.254/latest"}, "invalid_url", "/url"),
        ({"url": "http://a@127.0.0.1/"}, "invalid_url", "/url"),
        ({"url": "http://does-not-exist.invalid/"}, "invalid_url", "/url"),
        ({"url": "http://127.0.0.1/\0"}, "invalid_url", "/url"),
    ],
)
def test_a_field_with_a_wrong_value_is_refused_with_its_place(
    fields: dict[str, Any], code: str, pointer: str
) -> None:
    refused = operator().post("subscriptions", GOOD | fields)
    assert refused.status == 422, refused.body
    assert (refused.code, refused.pointer) == (code, pointer)
    assert not Subscription.objects.exists()


def test_a_filter_that_does_not_parse_is_refused_with_the_position() -> None:
    refused = operator().post("subscriptions", GOOD | {"filter": "data.total > > 1"})
    [error] = refused.json["errors"]
    assert error["position"] == 13


def test_all_wrong_fields_are_told_at_once() -> None:
    refused = operator().post("subscriptions", {"timeout": "5", "colour": "red"})
    pointers = {error["pointer"] for error in refused.json["errors"]}
    assert pointers == {"/timeout", "/colour", "/url", "/types"}
