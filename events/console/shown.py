"""Untrusted bytes as text: payloads, headers and answers, cut where they are long."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from events.rules.cloudevents import is_json_type

CUT = 16_384
"""Characters that a page shows; the whole is a download."""

HIDDEN = "•••"

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes for a person: `kind` is json, text or bytes; `size` counts the bytes."""

    text: str
    kind: str
    size: int
    cut: bool


def text_of(data: bytes | memoryview | None, content_type: str | None = None) -> Text:
    """JSON is laid out without changing a value; what is no UTF-8 is shown as hexadecimal."""
    raw = bytes(data or b"")
    kind, text = _read(raw, content_type)
    return Text(text[:CUT], kind, len(raw), len(text) > CUT)


def _read(raw: bytes, content_type: str | None) -> tuple[str, str]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "bytes", raw[:CUT].hex(" ", 2)
    if is_json_type(content_type):
        try:
            return "json", msgspec.json.format(raw, indent=2).decode()
        except (msgspec.DecodeError, RecursionError):
            return "text", text
    return "text", text


def headers_of(kept: Sequence[Sequence[str]] | None, *, values: bool) -> list[Header]:
    """The headers an attempt kept; without `values`, only their names."""
    return [(str(name), str(value) if values else HIDDEN) for name, value in kept or ()]


def curl(url: str, headers: Sequence[Header], body: bytes) -> str:
    """A command that sends the same request; masked values stay masked."""
    lines = [f"curl -X POST {shlex.quote(url)}"]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers]
    lines.append(_body_of(body))
    return " \\\n  ".join(lines)


def _body_of(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return "--data-binary @payload"
    return f"--data-raw {shlex.quote(text)}" if len(text) <= CUT else "--data-binary @payload"
