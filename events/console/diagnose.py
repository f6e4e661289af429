"""Why a webhook's signature does not verify: the pure part of the signature debugger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from events.rules import signing
from events.rules.signing import PRIVATE, PUBLIC

TOLERANCE = 300
"""Seconds by which Standard Webhooks lets a timestamp be off."""


@dataclass(frozen=True, slots=True)
class Received:
    """A webhook as somebody got it, or as it was sent; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes
    secret: str


class Result(StrEnum):
    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"


GOOD, BAD, UNSURE = Result


@dataclass(frozen=True, slots=True)
class Finding:
    """One part that was looked at."""

    part: str
    result: Result
    words: str


def parse_headers(text: str) -> dict[str, str]:
    """`name: value` lines, as curl or a log prints them; what is no header is left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.strip().lstrip("<> ").partition(":")
        if colon and name:
            found[name.strip().lower()] = value.strip()
    return found


def diagnose(received: Received, *, sent: Received | None, now: datetime) -> Sequence[Finding]:
    """Each part in turn, against what was sent where that is known, and the signature last."""
    return [
        _id(received, sent),
        _timestamp(received, sent, now),
        _body(received, sent),
        _header(received, sent),
        _secret(received.secret),
        _signature(received),
    ]


def _id(received: Received, sent: Received | None) -> Finding:
    value = received.headers.get("webhook-id")
    if not value:
        return Finding("webhook-id", BAD, "The header is missing; it is part of what is signed.")
    if sent is None:
        return Finding("webhook-id", UNSURE, "No delivery here has this id: compare it by hand.")
    return Finding("webhook-id", GOOD, "A delivery of this id was made here.")


def _timestamp(received: Received, sent: Received | None, now: datetime) -> Finding:
    part, value = "webhook-timestamp", received.headers.get("webhook-timestamp", "")
    wrong = _wrong_timestamp(value)
    if wrong:
        return Finding(part, BAD, wrong)
    was = sent.headers.get(part) if sent else None
    if was is not None and was != value:
        return Finding(part, BAD, f"No attempt of this delivery carried it; the last had {was}.")
    off = now.timestamp() - int(value)
    if abs(off) > TOLERANCE:
        words = f"It is {abs(off):,.0f} s {'old' if off > 0 else 'ahead'}: a receiver that allows "
        return Finding(part, UNSURE, words + "300 s refuses it now, which is right for an old one.")
    return Finding(part, GOOD, "Within five minutes of now.")


def _wrong_timestamp(value: str) -> str:
    if not value:
        return "The header is missing; it is part of what is signed."
    if not (value.isascii() and value.isdigit()):
        return "It is not a whole number of seconds."
    return "It looks like milliseconds; it is signed as seconds." if len(value) > 11 else ""


def _body(received: Received, sent: Received | None) -> Finding:
    if sent is None:
        return Finding("body", UNSURE, f"{len(received.body):,} bytes; what was sent is not known.")
    if received.body == sent.body:
        return Finding("body", GOOD, f"The same {len(sent.body):,} bytes that were sent.")
    for words, change in _CHANGES:
        if change(sent.body) == received.body or change(received.body) == sent.body:
            return Finding("body", BAD, f"{words} Verify the raw bytes, before any parsing.")
    at = _first_difference(received.body, sent.body)
    return Finding(
        "body",
        BAD,
        f"It differs from byte {at:,} on: {len(received.body):,} bytes here, "
        f"{len(sent.body):,} were sent.",
    )


def _header(received: Received, sent: Received | None) -> Finding:
    part, value = "webhook-signature", received.headers.get("webhook-signature")
    if not value:
        return Finding(part, BAD, "The header is missing.")
    odd = [one for one in value.split(" ") if not one.startswith(("v1,", "v1a,"))]
    if odd:
        return Finding(part, BAD, "It is not v1,… or v1a,… signatures parted by single spaces.")
    was = sent.headers.get(part) if sent else None
    same_time = sent is not None and sent.headers.get("webhook-timestamp") == received.headers.get(
        "webhook-timestamp"
    )
    if was is not None and same_time:
        words = "As it was sent." if was == value else "Not the one that was sent: it was changed."
        return Finding(part, GOOD if was == value else BAD, words)
    count = len(value.split(" "))
    return Finding(part, UNSURE, f"{count} signature{'s' if count > 1 else ''}, well formed.")


def _secret(secret: str) -> Finding:
    if not secret:
        return Finding("secret", UNSURE, "None was given, so nothing could be computed.")
    if secret.startswith(PUBLIC):
        try:
            signing.verify_v1a(secret, "v1a,", webhook_id="", timestamp=0, body=b"")
        except ValueError as error:
            return Finding("secret", BAD, str(error))
        return Finding("secret", GOOD, "A well-formed public key.")
    problem = signing.check_secret(secret)
    return Finding("secret", GOOD if problem is None else BAD, problem or "Well formed.")


def _signature(received: Received) -> Finding:
    part = "signature"
    stamp = received.headers.get("webhook-timestamp", "")
    if _secret(received.secret).result is not GOOD or _wrong_timestamp(stamp):
        return Finding(part, UNSURE, "It takes a good secret and a timestamp to compute it.")
    if _fits(received, received.body):
        return Finding(part, GOOD, "It verifies: id, timestamp, body and secret belong together.")
    for words, change in _CHANGES:
        if _fits(received, change(received.body)):
            return Finding(part, BAD, f"{words} With that undone it verifies.")
    return Finding(
        part, BAD, "It does not verify: another secret, or one of the parts above was changed."
    )


def _fits(received: Received, body: bytes) -> bool:
    key = received.secret
    if key.startswith(PRIVATE):
        key = signing.public_key(key)
    return signing.verify_header(
        [key],
        received.headers.get("webhook-signature", ""),
        webhook_id=received.headers.get("webhook-id", ""),
        timestamp=int(received.headers["webhook-timestamp"]),
        body=body,
    )


def _reparsed(body: bytes) -> bytes:
    try:
        return json.dumps(json.loads(body), separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body


def _respaced(body: bytes) -> bytes:
    try:
        return json.dumps(json.loads(body)).encode()
    except (ValueError, RecursionError):
        return body


_CHANGES: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("A line end was added at the end of the body.", lambda body: body.removesuffix(b"\n")),
    ("A line end at the end of the body was lost.", lambda body: body + b"\n"),
    ("The line ends of the body were changed.", lambda body: body.replace(b"\n", b"\r\n")),
    ("White space around the body was lost.", bytes.strip),
    ("The JSON was parsed and written again.", _reparsed),
    ("The JSON was parsed and written again.", _respaced),
)


def _first_difference(one: bytes, other: bytes) -> int:
    pairs: Iterator[tuple[int, tuple[int, int]]] = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
