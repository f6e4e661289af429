"""How POST /events reads in the OpenAPI document; events/wire.py is what reads the requests."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
_EXTENSION = {"type": ["string", "integer", "boolean"]}

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["type"],
    "additionalProperties": False,
    "properties": {
        "type": _TEXT | {"examples": ["order.paid"]},
        "data": {"description": "Any JSON; its bytes reach the receiver unchanged."},
        "source": _TEXT | {"description": "Where it happened; by default `/producers/<key>`."},
        "id": _TEXT | {"description": "Unique within tenant and source: a repeat is recognised."},
        "subject": _TEXT,
        "time": {"type": "string", "format": "date-time"},
        "tenant": _TEXT,
        "ordering_key": _TEXT,
        "priority": {"enum": ["high", "normal", "low"], "default": "normal"},
        "datacontenttype": _TEXT | {"default": "application/json"},
        "dataschema": _TEXT,
        "extensions": {"type": "object", "additionalProperties": _EXTENSION},
    },
}
CLOUDEVENT: dict[str, Any] = {
    "type": "object",
    "description": "A CloudEvent 1.0 in the JSON format; other members are extensions.",
    "required": ["specversion", "id", "source", "type"],
    "additionalProperties": _EXTENSION,
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _TEXT,
        "source": _TEXT,
        "type": _TEXT,
        "subject": _TEXT,
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": _TEXT,
        "dataschema": _TEXT,
        "data": {},
        "data_base64": {"type": "string", "contentEncoding": "base64"},
    },
}
ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["id", "duplicate"],
    "properties": {
        "id": {"type": "string"},
        "duplicate": {"type": "boolean"},
        "deliveries": {"type": "integer", "description": "How many subscriptions matched."},
    },
}
RESULTS: dict[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "array",
            "description": "A result per item, in their order.",
            "items": {
                "type": "object",
                "required": ["status"],
                "properties": {
                    "status": {"type": "integer"},
                    "id": {"type": "string"},
                    "duplicate": {"type": "boolean"},
                    "deliveries": {"type": "integer"},
                    "error": {"$ref": "#/components/schemas/Problem"},
                },
            },
        }
    },
}


def _header(name: str, words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "header", "name": name, "description": words, "schema": schema, "required": False}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


OPERATION: dict[str, Any] = {
    "description": (
        "One event or a batch of them, in any of four forms: Redrive's own JSON, CloudEvents "
        "structured, CloudEvents binary (with ce-* headers, a body of any type) and CloudEvents "
        "batch. A JSON array is a batch: at most 1,000 items, each with a result of its own. "
        "The answer comes once the events are stored. The same identity (source and id, or "
        "Idempotency-Key) with the same content makes no second event: 200 and the id of the "
        "first; with other content: 409."
    ),
    "parameters": [
        _header(
            "Idempotency-Key",
            "Makes repeats of this request one publish.",
            {"type": "string", "pattern": r"^[!#-~]{1,255}$"},
        ),
        _header("traceparent", "W3C Trace Context; it is handed on.", {"type": "string"}),
        _header("ce-specversion", "Binary mode: 1.0.", {"const": "1.0"}),
        _header("ce-id", "Binary mode: the event's id.", {"type": "string"}),
        _header("ce-source", "Binary mode: the event's source.", {"type": "string"}),
        _header("ce-type", "Binary mode: the event's type.", {"type": "string"}),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [EVENT, {"type": "array", "maxItems": 1000, "items": EVENT}]}
            },
            "application/cloudevents+json": {"schema": CLOUDEVENT},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "maxItems": 1000, "items": CLOUDEVENT}
            },
            "*/*": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}},
        },
    },
    "responses": {
        200: {"description": "It was published before", "content": _json(ACCEPTED)},
        202: {"description": "Stored", "content": _json({"oneOf": [ACCEPTED, RESULTS]})},
    },
}
