"""The OpenAPI document: what ninja writes, with the scopes and the problems that it leaves out."""

from __future__ import annotations

from typing import Any

from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from events.api.callers import ApiKey
from events.problems import CONTENT_TYPE, Code

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What is wrong with a request (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [str(code) for code in Code]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer into the body, or / and a parameter's name.",
                    },
                    "detail": {"type": "string"},
                    "position": {
                        "type": "integer",
                        "description": "The character at which reading a filter failed, from 0.",
                    },
                },
            },
        },
    },
}
REFUSAL: dict[str, Any] = {
    "description": "A problem",
    "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class Document(OpenAPISchema):
    """Of one API, at the prefix that it is served under."""

    def responses(self, operation: Operation) -> dict[Any, dict[str, Any]]:
        return {**super().responses(operation), "default": REFUSAL}

    def operation_security(self, operation: Operation) -> list[dict[str, Any]] | None:
        keys = [auth for auth in operation.auth_callbacks if isinstance(auth, ApiKey)]
        for key in keys:
            self.securitySchemes["ApiKey"] = key.openapi_security_schema
        return [{"ApiKey": [str(key.scope)]} for key in keys] or None

    def get_components(self) -> dict[str, Any]:
        self.schemas["Problem"] = PROBLEM
        found: dict[str, Any] = super().get_components()
        return found
