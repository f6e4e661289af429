"""The OpenAPI document and the page that is made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from events import wire
from events.api.publishing import CLOUDEVENT, EVENT
from tests.rest import Rest

pytestmark = pytest.mark.django_db


@pytest.fixture
def document() -> Any:
    answer = Rest(None).get("openapi.json")
    assert answer.status == 200
    return answer.json


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def inside(value: Any) -> Iterator[Any]:
    yield value
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            yield from inside(child)


def test_it_is_openapi_3_1_and_needs_no_key(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"


def test_every_operation_says_what_it_does_needs_and_refuses(document: Any) -> None:
    names = []
    for path, method, operation in operations(document):
        names.append(operation["operationId"])
        assert operation["description"], (path, method)
        assert operation["tags"]
        [need] = operation["security"]
        assert need["ApiKey"][0] in ("publish", "read", "manage")
        assert "application/problem+json" in operation["responses"]["default"]["content"]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere_and_every_schema_is_one(document: Any) -> None:
    schemas = document["components"]["schemas"]
    for part in inside(document):
        if isinstance(part, dict) and isinstance(part.get("$ref"), str):
            assert part["$ref"].removeprefix("#/components/schemas/") in schemas
        if isinstance(part, dict) and isinstance(part.get("schema"), dict):
            Draft202012Validator.check_schema(part["schema"])
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_publishing_is_documented_in_all_its_forms(document: Any) -> None:
    publish = document["paths"]["/api/v1/events"]["post"]
    assert set(publish["requestBody"]["content"]) == {
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "*/*",
    }
    assert {"200", "202", "default"} <= set(publish["responses"])


def test_the_documented_event_is_the_one_that_is_read() -> None:
    assert set(EVENT["properties"]) == set(wire._Plain.__struct_fields__)
    assert set(CLOUDEVENT["properties"]) == set(wire._Structured.__struct_fields__)


def test_secrets_are_in_no_answer_but_the_two_that_make_one(document: Any) -> None:
    showing = {
        operation["operationId"]
        for _, _, operation in operations(document)
        if '"SubscriptionMade"' in json.dumps(operation["responses"])
        or "/SubscriptionMade" in json.dumps(operation["responses"])
    }
    assert showing == {"create_subscription", "rotate_secret"}


def test_the_reference_shows_every_route_without_a_script(document: Any) -> None:
    answer = Rest(None).call("GET", "/api/docs")
    assert answer.status == 200
    page = answer.body.decode()
    for path, method, operation in operations(document):
        assert f"{method.upper()} {path}" in page
        assert f'id="{operation["operationId"]}"' in page
    assert "<script" not in page
    assert re.search(r"\sstyle=|<style|\son\w+=", page) is None
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "https://" not in page
