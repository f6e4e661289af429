"""What is wrong with a request is told as a problem, and never as HTML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from config.urls import api
from events.models import Subscription
from events.problems import TITLES, Code
from events.rules.ids import Prefix, encode
from tests import make
from tests.rest import Rest, operator

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
DOCUMENT = api.get_openapi_schema()


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/v1",
        "/api/v1/",
        "/api/v2/events",
        "/api/v1/event",
        "/api/v1/events/",
        "/api/v1/events/x",
        "/api/v1/events/evt_%00",
        "/api/v1/events/%ff%fe",
        "/api/v1/events/dlv_01JABCDEFGHJKMNPQRSTVWXYZ0",
        "/api/v1/subscriptions/../events",
        "/api/v1/replays/rpl_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_what_is_nowhere_is_a_problem(method: str, path: str) -> None:
    answer = operator().call(method, path)
    assert answer.status in (404, 405)
    assert answer.code in ("not_found", "method_not_allowed")
    assert answer.json["type"] == f"urn:redrive:problem:{answer.code}"
    assert answer.json["status"] == answer.status


@pytest.mark.parametrize("path", list(DOCUMENT["paths"]))
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_wrong_method_is_told_the_right_ones(path: str, method: str) -> None:
    answer = operator().call(method, re.sub("{.*}", "x", path))
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    allowed = {one.strip().lower() for one in answer.headers["allow"].split(",")}
    assert allowed == set(DOCUMENT["paths"][path])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "missing_field"),
        (b"{", "bad_json"),
        (b"nope", "bad_json"),
        (b"[]", "invalid_field"),
        (b"null", "invalid_field"),
        (b'"x"', "invalid_field"),
        (b"{} {}", "bad_json"),
        (b'{"timeout": NaN}', "bad_json"),
        (b'{"timeout": 1e999}', "bad_json"),
        (b'{"name": "\\ud800"}', "bad_json"),
        (b"\xff", "invalid_text"),
        (b"[" * 100_000, "invalid_field"),
        (b'{"filter": ' + b'"' + b"x" * 2_700_000 + b'"}', "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(body: bytes, code: str) -> None:
    answer = operator().post("subscriptions", body)
    assert 400 <= answer.status < 500
    assert answer.code == code


def test_another_content_type_or_a_compressed_body_is_refused() -> None:
    rest = operator()
    typed = rest.call("POST", "subscriptions", b"a=b", content_type="text/plain")
    assert (typed.status, typed.code) == (415, "unsupported_media_type")
    packed = rest.call("POST", "subscriptions", b"{}", headers={"Content-Encoding": "gzip"})
    assert (packed.status, packed.code) == (415, "content_encoding")


def test_a_host_that_is_not_ours_is_told_without_html() -> None:
    answer = operator().call("GET", "events", headers={"Host": "evil.example"})
    assert (answer.status, answer.code) == (400, "bad_request")
    assert b"evil" not in answer.body


def test_a_key_is_asked_for_before_anything_is_said_about_the_request() -> None:
    for answer in (Rest(None).get("events", limit="x"), Rest(None).post("subscriptions", b"{")):
        assert answer.code == "unauthorized"
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer rdk_x", "Bearer é", "Bearer a b"]
)
def test_a_header_that_holds_no_key_is_401(header: str) -> None:
    answer = Rest(None).call("GET", "events", headers={"Authorization": header})
    assert answer.code == "unauthorized"


def test_a_fault_of_ours_is_a_problem_without_its_details() -> None:
    [event] = make.published(make.event())
    to = make.subscription()
    Subscription.objects.filter(id=to.id).update(filter="this was never checked (")
    body = {"event_id": encode(Prefix.EVENT, event)}
    answer = operator().post(f"subscriptions/{to.public_id}/explain", body)
    assert (answer.status, answer.code) == (500, "internal")
    assert b"checked" not in answer.body


def test_the_docs_list_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.+) \|$", DOCS.read_text(), re.MULTILINE)
    listed = {code: int(status) for code, status, _ in rows}
    assert listed == {str(code): TITLES[code][0] for code in Code}


def test_the_docs_list_every_route() -> None:
    listed = set(re.findall(r"^\| `([A-Z]+) (/[^`]*)` \|", DOCS.read_text(), re.MULTILINE))
    routes: set[Any] = {
        (method.upper(), re.sub(r"{\w+}", "{id}", path.removeprefix("/api/v1")))
        for path, methods in DOCUMENT["paths"].items()
        for method in methods
    }
    assert listed == routes
