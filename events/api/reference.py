"""The API reference as a page: plain HTML from the OpenAPI document, with no script at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from events.api.rest import Rest
from events.problems import TITLES


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of a body."""

    name: str
    form: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Body:
    """What a request or an answer carries; `example` is not given, `fields` say it."""

    label: str
    content_type: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation, as the page shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: list[Field]
    bodies: list[Body]
    answers: list[Body]


def page_of(rest: Rest) -> Callable[[HttpRequest], HttpResponse]:
    """The view of an API's reference."""

    def reference(request: HttpRequest) -> HttpResponse:
        document = rest.get_openapi_schema()
        context = {
            "info": document["info"],
            "groups": _groups(document),
            "codes": [(str(code), *TITLES[code]) for code in TITLES],
        }
        return render(request, "events/api_docs.html", context)

    return reference


def _groups(document: Mapping[str, Any]) -> dict[str, list[Route]]:
    """The routes by their tag, in the order of the document."""
    found: dict[str, list[Route]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            group = found.setdefault(operation["tags"][0], [])
            group.append(_route(document, method.upper(), path, operation))
    return found


def _route(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> Route:
    scopes = [scope for need in operation.get("security", ()) for scope in need["ApiKey"]]
    sent = operation.get("requestBody", {}).get("content", {})
    answers = [
        body
        for status, answer in operation["responses"].items()
        for body in _bodies(document, answer.get("content", {}), label=str(status))
    ]
    return Route(
        anchor=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        scope=", ".join(scopes),
        parameters=[_parameter(one) for one in operation["parameters"]],
        bodies=list(_bodies(document, sent, label="Body")),
        answers=[answer for answer in answers if answer.label != "default"],
    )


def _parameter(one: Mapping[str, Any]) -> Field:
    words = one.get("description", "")
    return Field(one["name"], _form(one["schema"]), one["required"], f"{words} ({one['in']})")


def _bodies(
    document: Mapping[str, Any], content: Mapping[str, Any], *, label: str
) -> Iterator[Body]:
    for content_type, media in content.items():
        yield Body(label, content_type, list(_members(document, media["schema"])))


def _members(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    """The members of an object; of an array's items, or of the first form, where there are more."""
    schema = _followed(document, schema)
    for inside in ("oneOf", "anyOf", "allOf"):
        if inside in schema:
            schema = _followed(document, schema[inside][0])
    if "items" in schema:
        schema = _followed(document, schema["items"])
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield Field(name, _form(member), name in required, member.get("description", ""))


def _followed(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


def _form(schema: Mapping[str, Any]) -> str:
    """The type in a few words: `string or null`, `array of string`, `open, replayed`."""
    for inside in ("anyOf", "oneOf", "allOf"):
        if inside in schema:
            return " or ".join(dict.fromkeys(_form(one) for one in schema[inside]))
    if values := schema.get("enum", [schema["const"]] if "const" in schema else ()):
        return " or ".join(str(value) for value in values)
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    kind = schema.get("type", "any")
    if kind == "array":
        return f"array of {_form(schema.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(schema.get("format", kind))
