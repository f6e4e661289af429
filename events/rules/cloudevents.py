"""CloudEvents 1.0 on the wire: HTTP headers and body (binary mode), or one JSON object."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec

Value = str | int | bool

SPECVERSION = "1.0"
STRUCTURED_TYPE = "application/cloudevents+json"
BATCH_TYPE = "application/cloudevents-batch+json"
MIN_INTEGER = -(2**31)
MAX_INTEGER = 2**31 - 1

REQUIRED_NAMES = ("id", "source", "type")
OPTIONAL_NAMES = ("subject", "time", "datacontenttype", "dataschema")
RESERVED_NAMES = frozenset({"specversion", "data", "data_base64", *REQUIRED_NAMES, *OPTIONAL_NAMES})
EXTENSION_NAME = re.compile(r"[a-z0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event; `time` is RFC 3339 as its producer wrote it, `data` the bytes as they came."""

    id: str
    source: str
    type: str
    subject: str | None
    time: str | None
    datacontenttype: str | None
    dataschema: str | None
    data: bytes
    extensions: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why something is not a CloudEvent: `pointer` names the header or member at fault."""

    pointer: str
    message: str


# What the spec's String type leaves out: controls, lone surrogates and Unicode's noncharacters.
_FORBIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(f"\\U{plane:04x}fffe\\U{plane:04x}ffff" for plane in range(17))
    + "]"
)
_ESCAPED = re.compile(r"[^\x21\x23\x24\x26-\x7e]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BACKSLASHED = re.compile(r"\\(.)")
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CONTENT_TYPE = re.compile(rf"{_NAME}/{_NAME}[ \t]*(;[ -~]*)?")
_JSON_TYPE = re.compile(rf"{_NAME}/({_NAME}\+)?json[ \t]*(;.*)?", re.IGNORECASE)
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(\.\d+)?([Zz]|[+-][01]\d:[0-5]\d|[+-]2[0-3]:[0-5]\d)",
    re.ASCII,
)


def check_text(value: str) -> str | None:
    """Say what is wrong with a String value; None if CloudEvents allows it."""
    found = _FORBIDDEN.search(value)
    return None if found is None else f"The character U+{ord(found[0]):04X} is not allowed."


def check_attribute_name(name: str) -> str | None:
    """Say what is wrong with an attribute's name; None if it is one."""
    if EXTENSION_NAME.fullmatch(name) is None:
        return "An attribute name is 1 to 20 lower-case letters and digits."
    return "An attribute cannot be named data." if name == "data" else None


def check_extension_name(name: str) -> str | None:
    """Say what is wrong with an extension's name; None if producers may use it."""
    if name in RESERVED_NAMES:
        return f"The name {name} is reserved."
    return check_attribute_name(name)


def check_extension(name: str, value: object) -> str | None:
    """Say what is wrong with an extension's name or value; None if nothing is."""
    if (wrong := check_extension_name(name)) is not None:
        return wrong
    match value:
        case bool():
            return None
        case int():
            return _check_integer(value)
        case str():
            return check_text(value)
        case _:
            return "An extension is a string, a boolean or an integer."


def check_attribute(name: str, value: str) -> str | None:
    """Say what is wrong with the value of an attribute of the spec; None if nothing is."""
    if not value:
        return f"{name} must not be empty."
    if (wrong := check_text(value)) is not None:
        return wrong
    if name == "time" and parse_time(value) is None:
        return "time must be a moment in RFC 3339 form, such as 2026-02-03T04:05:06Z."
    if name == "datacontenttype" and _CONTENT_TYPE.fullmatch(value) is None:
        return "datacontenttype must be a media type, such as application/json."
    return None


def parse_time(value: str) -> datetime | None:
    """The moment (UTC) that an RFC 3339 timestamp names, to the microsecond; None if it is none."""
    found = _RFC_3339.fullmatch(value)
    if found is None:
        return None
    day, minute, second, fraction, zone = found.groups()
    # A leap second exists in RFC 3339 and not in datetime.
    leap = second == "60"
    text = f"{day}T{minute}:{'59' if leap else second}{(fraction or '')[:7]}{zone.upper()}"
    try:
        return (datetime.fromisoformat(text) + timedelta(seconds=int(leap))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def binary_headers(event: CloudEvent) -> list[tuple[str, str]]:
    """The headers of binary mode (HTTP binding, 3.1); the body is `event.data` itself.

    There is no ce-datacontenttype: it is the Content-Type, and absent if the event has none.
    """
    headers = [(f"ce-{name}", _encode(value)) for name, value in _attributes(event)]
    headers.extend((f"ce-{name}", _encode(_text(v))) for name, v in event.extensions.items())
    if event.datacontenttype is not None:
        headers.append(("content-type", event.datacontenttype))
    return headers


def structured(event: CloudEvent) -> bytes:
    """The event as one JSON object (JSON format, 3), to be sent as `STRUCTURED_TYPE`.

    JSON data goes into `data` byte for byte; all other data into `data_base64`; none into neither.
    """
    members: dict[str, object] = dict(_attributes(event))
    if event.datacontenttype is not None:
        members["datacontenttype"] = event.datacontenttype
    members.update(event.extensions)
    if event.data and is_json_type(event.datacontenttype) and _is_json(event.data):
        members["data"] = msgspec.Raw(event.data)
    elif event.data:
        members["data_base64"] = b64encode(event.data).decode()
    return msgspec.json.encode(members)


@lru_cache(256)
def is_json_type(datacontenttype: str | None) -> bool:
    """Whether data of this type is JSON: `*/json`, `*/*+json` or, by the JSON format, no type."""
    return datacontenttype is None or _JSON_TYPE.fullmatch(datacontenttype) is not None


def parse_binary_headers(
    headers: Iterable[tuple[str, str]], data: bytes = b""
) -> CloudEvent | Invalid:
    """Read an event from the headers of a request in binary mode, as latin-1 text, and its body."""
    found: dict[str, str] = {}
    for header, value in headers:
        name = _attribute_of(header)
        if name is None:
            continue
        if name in found:
            return Invalid(header.lower(), "This header was sent twice.")
        read = _read(name, header.lower(), value)
        if isinstance(read, Invalid):
            return read
        found[name] = read
    return _assemble(found, data)


def _attributes(event: CloudEvent) -> list[tuple[str, str]]:
    attributes = (
        ("specversion", SPECVERSION),
        ("id", event.id),
        ("source", event.source),
        ("type", event.type),
        ("subject", event.subject),
        ("time", event.time),
        ("dataschema", event.dataschema),
    )
    return [(name, value) for name, value in attributes if value is not None]


def _attribute_of(header: str) -> str | None:
    name = header.lower()
    if name == "content-type":
        return "datacontenttype"
    # Kept apart from Content-Type's own name, which this header may not claim.
    return name.removeprefix("ce-") if name.startswith("ce-") else None


def _read(name: str, header: str, raw: str) -> str | Invalid:
    if header == "ce-datacontenttype":
        return Invalid(header, "Binary mode sends datacontenttype as Content-Type.")
    value = raw.strip(" \t") if header == "content-type" else _decode(raw)
    if value is None:
        return Invalid(header, "The value is not percent-encoded UTF-8.")
    wrong = _check(name, value)
    return value if wrong is None else Invalid(header, wrong)


def _check(name: str, value: str) -> str | None:
    if name == "specversion":
        return None if value == SPECVERSION else f"specversion must be {SPECVERSION}."
    if name in REQUIRED_NAMES or name in OPTIONAL_NAMES:
        return check_attribute(name, value)
    return check_extension(name, value)


def _check_integer(value: int) -> str | None:
    return None if MIN_INTEGER <= value <= MAX_INTEGER else "An integer has at most 32 bits."


def _assemble(found: Mapping[str, str], data: bytes) -> CloudEvent | Invalid:
    for name in ("specversion", *REQUIRED_NAMES):
        if name not in found:
            return Invalid(f"ce-{name}", f"{name} is required.")
    return CloudEvent(
        id=found["id"],
        source=found["source"],
        type=found["type"],
        subject=found.get("subject"),
        time=found.get("time"),
        datacontenttype=found.get("datacontenttype"),
        dataschema=found.get("dataschema"),
        data=data,
        extensions={k: v for k, v in found.items() if k not in RESERVED_NAMES},
    )


def _text(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)


def _encode(value: str) -> str:
    return _ESCAPED.sub(lambda found: _percent(found[0]), value)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _decode(raw: str) -> str | None:
    """Undo the quotes of older senders, then percent-encoding, once (HTTP binding, 3.1.3.2)."""
    text = raw.strip(" \t")
    if (quoted := _QUOTED.fullmatch(text)) is not None:
        text = _BACKSLASHED.sub(r"\1", quoted[1])
    try:
        # Some senders put raw UTF-8 into the header: as latin-1, its bytes come back unchanged.
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeError:
        return None


def _is_json(data: bytes) -> bool:
    try:
        # Raw checks all but the UTF-8, and accepts numbers that no Python type can hold.
        data.decode()
        msgspec.json.decode(data, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True
