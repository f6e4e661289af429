"""Every way in which a request can be wrong, as RFC 9457 problems with a stable `code`.

docs/api.md lists the codes; a test holds the two in step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

CONTENT_TYPE = "application/problem+json"


class Code(StrEnum):
    """The stable names; a client may branch on them."""

    BAD_JSON = "bad_json"
    BAD_CURSOR = "bad_cursor"
    BAD_REQUEST = "bad_request"
    BATCH_TOO_LARGE = "batch_too_large"
    BODY_TOO_LARGE = "body_too_large"
    BROKER_UNAVAILABLE = "broker_unavailable"
    CONTENT_ENCODING = "content_encoding"
    EVENT_TOO_LARGE = "event_too_large"
    FORBIDDEN = "forbidden"
    IDENTITY_CONFLICT = "identity_conflict"
    INTERNAL = "internal"
    INVALID_FIELD = "invalid_field"
    INVALID_TEXT = "invalid_text"
    INVALID_URL = "invalid_url"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MISSING_FIELD = "missing_field"
    NOT_FOUND = "not_found"
    OVERLOADED = "overloaded"
    STORAGE_FULL = "storage_full"
    TOO_MANY_ITEMS = "too_many_items"
    UNAUTHORIZED = "unauthorized"
    UNAVAILABLE = "unavailable"
    UNKNOWN_FIELD = "unknown_field"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    WRONG_STATE = "wrong_state"


TITLES: dict[Code, tuple[int, str]] = {
    Code.BAD_JSON: (400, "The body is not JSON"),
    Code.BAD_CURSOR: (400, "The cursor is not one that a page gave"),
    Code.BAD_REQUEST: (400, "The request cannot be read"),
    Code.BATCH_TOO_LARGE: (413, "The batch is too large"),
    Code.BODY_TOO_LARGE: (413, "The body is too large"),
    Code.BROKER_UNAVAILABLE: (503, "No worker can be reached right now"),
    Code.CONTENT_ENCODING: (415, "The body is compressed"),
    Code.EVENT_TOO_LARGE: (413, "The event is too large"),
    Code.FORBIDDEN: (403, "The API key may not do this"),
    Code.IDENTITY_CONFLICT: (409, "Something else was sent under this identity before"),
    Code.INTERNAL: (500, "Something is wrong on our side"),
    Code.INVALID_FIELD: (422, "A field has a wrong value"),
    Code.INVALID_TEXT: (422, "A text holds a character that is not allowed"),
    Code.INVALID_URL: (422, "The URL is not one that may be sent to"),
    Code.METHOD_NOT_ALLOWED: (405, "The method is not allowed here"),
    Code.MISSING_FIELD: (422, "A field is missing"),
    Code.NOT_FOUND: (404, "There is no such thing"),
    Code.OVERLOADED: (429, "Too much is waiting; try again later"),
    Code.STORAGE_FULL: (503, "The disk is nearly full; nothing more is accepted"),
    Code.TOO_MANY_ITEMS: (413, "The batch has too many items"),
    Code.UNAUTHORIZED: (401, "An API key is required"),
    Code.UNAVAILABLE: (503, "The database cannot be reached right now; nothing was stored"),
    Code.UNKNOWN_FIELD: (422, "A field is not known"),
    Code.UNSUPPORTED_MEDIA_TYPE: (415, "The content type is not one that is read here"),
    Code.WRONG_STATE: (409, "It is not in a state that allows this"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a request: `pointer` (RFC 6901) says where, `retry_after` is seconds.

    `position` is the character of a text, from 0, at which reading it failed. `more` are further
    errors as (pointer, detail).
    """

    code: Code
    detail: str
    pointer: str | None = None
    retry_after: int | None = None
    position: int | None = None
    more: Sequence[tuple[str, str]] = ()

    @property
    def status(self) -> int:
        return TITLES[self.code][0]

    def body(self) -> dict[str, Any]:
        """The problem document of RFC 9457, without `instance`."""
        status, title = TITLES[self.code]
        found: dict[str, Any] = {
            "type": f"urn:redrive:problem:{self.code}",
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": str(self.code),
        }
        if self.pointer is not None:
            found["errors"] = self._errors(self.pointer)
        return found

    def _errors(self, pointer: str) -> list[dict[str, Any]]:
        first: dict[str, Any] = {"pointer": pointer, "detail": self.detail}
        if self.position is not None:
            first["position"] = self.position
        return [first, *({"pointer": where, "detail": words} for where, words in self.more)]

    def headers(self) -> list[tuple[str, str]]:
        """What the answer carries beside its content type."""
        found = []
        if self.code is Code.UNAUTHORIZED:
            found.append(("www-authenticate", 'Bearer realm="redrive"'))
        if self.retry_after is not None:
            found.append(("retry-after", str(self.retry_after)))
        return found
