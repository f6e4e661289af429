"""Reading a publish: from the bytes of a request, in any of its forms, to new events.

Parsed once, here, into frozen values; the bytes of `data` are cut out of the body unchanged.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from events.admit import Draft, admit, content_of, content_of_bytes, key_identity
from events.keys import Caller
from events.problems import Code, Problem
from events.publish import Identity, NewEvent
from events.rules import cloudevents
from events.rules.cloudevents import BATCH_TYPE, SPECVERSION, STRUCTURED_TYPE, Invalid, is_json_type

_AT = re.compile(r" - at `\$(.*)`$")
_FIELD = re.compile(r"field `([^`]*)`")
_IDEMPOTENCY_KEY = re.compile(r'"([!#-\[\]-~ ]{1,255})"|([!#-~]{1,255})')


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes."""

    event: int
    batch: int
    items: int


@dataclass(frozen=True, slots=True)
class Batch:
    """The items of a batch in their order: an event each, or what is wrong with it.

    `guard` is the identity of the whole batch, where an Idempotency-Key names it.
    """

    items: Sequence[NewEvent | Problem]
    guard: Identity | None = None


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"")
    source: str | None = None
    id: str | None = None
    subject: str | None = None
    time: str | None = None
    tenant: str | None = None
    ordering_key: str | None = None
    priority: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: dict[str, str | int | bool] = {}


class _Structured(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


_plain = msgspec.json.Decoder(_Plain)
_structured = msgspec.json.Decoder(_Structured)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_extension = msgspec.json.Decoder(str | int | bool | None)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_string = msgspec.json.Decoder(str)

Read = Callable[[bytes], Draft | Problem]


def read(
    headers: Mapping[str, str], body: bytes, *, caller: Caller, limits: Limits
) -> NewEvent | Batch | Problem:
    """One event, a batch of them, or what is wrong with the request.

    `headers` are by lower-case name. `ce-specversion` tells of binary mode, otherwise the content
    type tells the form; a JSON array is a batch.
    """
    essence = headers.get("content-type", "application/json").split(";", 1)[0].strip().lower()
    if "ce-specversion" in headers:
        return _single(lambda data: _binary(headers, data), headers, body, caller, limits)
    if essence not in ("application/json", STRUCTURED_TYPE, BATCH_TYPE):
        return Problem(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"Send application/json, {STRUCTURED_TYPE}, {BATCH_TYPE}, or any type with ce-* "
            f"headers; {essence or 'an empty content type'} is not read here.",
        )
    reader: Read = _read_plain if essence == "application/json" else _read_structured
    if essence == BATCH_TYPE or (essence == "application/json" and body.lstrip()[:1] == b"["):
        return _batch(reader, headers, body, caller, limits)
    return _single(reader, headers, body, caller, limits)


def _single(
    reader: Read, headers: Mapping[str, str], body: bytes, caller: Caller, limits: Limits
) -> NewEvent | Problem:
    if len(body) > limits.event:
        return Problem(
            Code.EVENT_TOO_LARGE,
            f"An event has at most {limits.event} bytes (REDRIVE_EVENT_MAX_BYTES); "
            f"this one has {len(body)}.",
        )
    draft = reader(body)
    if isinstance(draft, Problem):
        return draft
    traced = draft if draft.traceparent else replace(draft, traceparent=headers.get("traceparent"))
    event = admit(traced, caller)
    key = _idempotency_key(headers)
    if isinstance(event, Problem) or key is None:
        return event
    if isinstance(key, Problem):
        return key
    return replace(
        event, identity=event.identity or key_identity(caller, key, None, content_of(draft))
    )


def _batch(
    reader: Read, headers: Mapping[str, str], body: bytes, caller: Caller, limits: Limits
) -> Batch | Problem:
    raw = _parse(_array, body)
    if isinstance(raw, Problem):
        return raw
    if len(raw) > limits.items:
        return Problem(
            Code.TOO_MANY_ITEMS,
            f"A batch has at most {limits.items} items (REDRIVE_BATCH_MAX_ITEMS); "
            f"this one has {len(raw)}.",
        )
    items = [_single(reader, {}, bytes(item), caller, limits) for item in raw]
    key = _idempotency_key(headers)
    if key is None:
        return Batch(items)
    if isinstance(key, Problem):
        return key
    content = content_of_bytes(body)
    keyed = [
        item
        if isinstance(item, Problem) or item.identity
        else replace(item, identity=key_identity(caller, key, number, content))
        for number, item in enumerate(items)
    ]
    return Batch(keyed, key_identity(caller, key, None, content))


def _idempotency_key(headers: Mapping[str, str]) -> str | Problem | None:
    """The key of draft-ietf-httpapi-idempotency-key-header: a quoted string; bare is taken too."""
    value = headers.get("idempotency-key")
    if value is None:
        return None
    found = _IDEMPOTENCY_KEY.fullmatch(value.strip())
    if found is None:
        return Problem(
            Code.INVALID_FIELD, "Idempotency-Key has 1 to 255 printable ASCII characters."
        )
    return found[1] or found[2]


def _read_plain(body: bytes) -> Draft | Problem:
    item = _parse(_plain, body)
    if isinstance(item, Problem):
        return item
    fields = {name: getattr(item, name) for name in item.__struct_fields__}
    data = bytes(item.data)
    return Draft(**fields | {"data": data, "datacontenttype": _type_of(item, data)})


def _type_of(item: _Plain | _Structured, data: bytes) -> str | None:
    """The JSON format's default: data without a type is JSON. No data needs no type."""
    return item.datacontenttype or ("application/json" if data else None)


def _read_structured(body: bytes) -> Draft | Problem:
    item = _parse(_structured, body)
    if isinstance(item, Problem):
        return item
    if item.specversion != SPECVERSION:
        detail = f"specversion must be {SPECVERSION}."
        return Problem(Code.INVALID_FIELD, detail, pointer="/specversion")
    data = _structured_data(item)
    extensions = _extensions(body)
    if isinstance(data, Problem):
        return data
    if isinstance(extensions, Problem):
        return extensions
    fields = {
        name: getattr(item, name)
        for name in ("id", "source", "type", "subject", "time", "dataschema")
    }
    draft = Draft(**fields, data=data, datacontenttype=_type_of(item, data))
    return _with_extensions(draft, extensions)


def _structured_data(item: _Structured) -> bytes | Problem:
    """Data as it will be delivered: JSON byte for byte, a text of another type as its UTF-8."""
    raw = bytes(item.data)
    if item.data_base64 is not None:
        if raw:
            detail = "Send data or data_base64, not both."
            return Problem(Code.INVALID_FIELD, detail, pointer="/data_base64")
        try:
            return base64.b64decode(item.data_base64, validate=True)
        except (binascii.Error, ValueError):
            detail = "data_base64 is not base64."
            return Problem(Code.INVALID_FIELD, detail, pointer="/data_base64")
    if raw[:1] == b'"' and not is_json_type(item.datacontenttype):
        text = _parse(_string, raw)
        return text if isinstance(text, Problem) else text.encode("utf-8", "surrogatepass")
    return raw


def _extensions(body: bytes) -> dict[str, str | int | bool] | Problem:
    found: dict[str, str | int | bool] = {}
    for name, raw in _members.decode(body).items():
        if name in cloudevents.RESERVED_NAMES:
            continue
        value = _parse(_extension, bytes(raw))
        if isinstance(value, Problem):
            detail = "An extension is a string, a boolean or an integer."
            return Problem(Code.INVALID_FIELD, detail, pointer=f"/{name}")
        if value is not None:
            found[name] = value
    return found


def _binary(headers: Mapping[str, str], body: bytes) -> Draft | Problem:
    read = cloudevents.parse_binary_headers(headers.items(), body)
    if isinstance(read, Invalid):
        code = Code.MISSING_FIELD if "required" in read.message else Code.INVALID_FIELD
        return Problem(code, f"{read.pointer}: {read.message}", pointer=f"/{read.pointer}")
    names = ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data")
    return _with_extensions(
        Draft(**{name: getattr(read, name) for name in names}), dict(read.extensions)
    )


def _with_extensions(draft: Draft, extensions: dict[str, str | int | bool]) -> Draft:
    """CloudEvents has no member for these: extensions say them. They are delivered as well."""
    said: dict[str, Any] = {
        name: extensions[extension]
        for name, extension in (
            ("tenant", "tenant"),
            ("ordering_key", "partitionkey"),
            ("priority", "priority"),
            ("traceparent", "traceparent"),
        )
        if isinstance(extensions.get(extension), str)
    }
    return replace(draft, **said, extensions=extensions, extensions_at="/")


def _parse(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """What the decoder reads, or the Problem that its error says."""
    try:
        body.decode()
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        return Problem(Code.INVALID_TEXT, f"The body is not UTF-8: byte {error.start} is wrong.")
    except msgspec.ValidationError as error:
        return _invalid(str(error))
    except msgspec.DecodeError as error:
        return Problem(Code.BAD_JSON, str(error))
    except RecursionError:
        return Problem(Code.INVALID_FIELD, "The JSON is nested too deeply.")


def _invalid(words: str) -> Problem:
    at = _AT.search(words)
    pointer = re.sub(r"\[(\d+)\]", r"/\1", (at[1] if at else "").replace(".", "/"))
    named = _FIELD.search(words)
    detail = _AT.sub("", words)
    if "missing required" in words and named:
        return Problem(Code.MISSING_FIELD, detail, pointer=f"{pointer}/{named[1]}")
    if "unknown field" in words and named:
        return Problem(Code.UNKNOWN_FIELD, detail, pointer=f"{pointer}/{named[1]}")
    return Problem(Code.INVALID_FIELD, detail, pointer=pointer or "")
