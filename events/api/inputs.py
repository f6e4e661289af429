"""What requests are made of: public ids, moments, texts, and the bases of bodies and filters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from events.rules import cloudevents, ids, patterns
from events.rules.ids import Prefix

FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(3000, 1, 1, tzinfo=UTC)
MAX_TEXT = 1_024


class PublicId:
    """A UUID that is read and written in its public form, as in `evt_…`."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    def read(self, value: object) -> UUID:
        """Of a request's text; our own answers hold the UUID itself."""
        found = ids.decode(self._prefix, value) if isinstance(value, str) else value
        if not isinstance(found, UUID):
            words = "Write an id that begins with {prefix}_"
            raise PydanticCustomError("public_id", words, {"prefix": str(self._prefix)})
        return found

    def write(self, value: UUID) -> str:
        return ids.encode(self._prefix, value)

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read,
            serialization=core_schema.plain_serializer_function_ser_schema(self.write),
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        pattern = f"^{self._prefix}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}$"
        return {"type": "string", "pattern": pattern}


class _ReadAs:
    """A text that is read by a function which raises PydanticCustomError."""

    def __init__(self, read: Callable[[object], datetime], form: str) -> None:
        self._read = read
        self._form = form

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": self._form}


def _moment(value: object) -> datetime:
    found = cloudevents.parse_time(value) if isinstance(value, str) else None
    if found is None or not FIRST_MOMENT <= found < LAST_MOMENT:
        words = "Write a moment from 1970 on in RFC 3339 form, such as 2026-02-03T04:05:06Z"
        raise PydanticCustomError("moment", words)
    return found


def _text(value: str) -> str:
    wrong = cloudevents.check_text(value)
    if wrong is not None:
        raise PydanticCustomError("invalid_text", "{wrong}", {"wrong": wrong})
    return value


def _pattern(value: str) -> str:
    wrong = patterns.check(value)
    if wrong is not None:
        raise PydanticCustomError("pattern", "{wrong}", {"wrong": wrong})
    return value


EventId = Annotated[UUID, PublicId(Prefix.EVENT)]
SubscriptionId = Annotated[UUID, PublicId(Prefix.SUBSCRIPTION)]
DeliveryId = Annotated[UUID, PublicId(Prefix.DELIVERY)]
AttemptId = Annotated[UUID, PublicId(Prefix.ATTEMPT)]
DeadLetterId = Annotated[UUID, PublicId(Prefix.DEAD_LETTER)]
ReplayId = Annotated[UUID, PublicId(Prefix.REPLAY)]
BulkId = Annotated[UUID, PublicId(Prefix.BULK)]

Moment = Annotated[datetime, _ReadAs(_moment, "date-time")]
Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_text)]
Pattern = Annotated[Text, AfterValidator(_pattern)]
"""An event type, or a pattern such as `order.*` or `order.**`."""


class Body(Schema):
    """A JSON body: unknown members are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True)
