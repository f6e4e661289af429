"""Identifiers: UUIDv7, which sort by time, and their public form, `evt_` and 26 characters."""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID


class Prefix(StrEnum):
    EVENT = "evt"
    SUBSCRIPTION = "sub"
    DELIVERY = "dlv"
    ATTEMPT = "att"
    DEAD_LETTER = "dlq"
    REPLAY = "rpl"
    BULK = "blk"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400_000
_LAST_MILLISECOND = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)

_VERSION_7 = 7 << 76
_VARIANT = 0b10 << 62
_RAND_A = 0xFFF << 64
_RAND_B = (1 << 62) - 1

_RFC_4648 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = bytes.maketrans(_RFC_4648, _CROCKFORD)
_FROM_CROCKFORD = bytes.maketrans(_CROCKFORD, _RFC_4648)

# 32 base32 characters are exactly 20 bytes: 128 bits fill the last 26, and the first 6 are zero.
_PADDED_BYTES = 20
_PADDING = b"A" * 6

# 26 characters hold 130 bits, so that the first one is at most 7.
_PUBLIC_ID = re.compile(r"([a-z]{3})_([0-7][0-9A-HJKMNP-TV-Z]{25})", re.ASCII | re.IGNORECASE)


def uuid7(milliseconds: int, random: bytes) -> UUID:
    """A UUIDv7 (RFC 9562, 5.7) of Unix milliseconds below 2**48 and ten random bytes."""
    bits = int.from_bytes(random, "big")
    return UUID(
        int=milliseconds << 80 | _VERSION_7 | (bits & _RAND_A) | _VARIANT | (bits & _RAND_B)
    )


def time_of(identifier: UUID) -> datetime:
    """When a UUIDv7 was made, to the millisecond; at most the last moment a datetime can hold."""
    milliseconds = min(identifier.int >> 80, _LAST_MILLISECOND)
    return _EPOCH + timedelta(milliseconds=milliseconds)


def span(day: date) -> tuple[UUID, UUID]:
    """The lowest UUIDv7 of a day (UTC) and of the day after: the bounds of its partition."""
    start = (day.toordinal() - _EPOCH_DAY) * _DAY
    return uuid7(start, bytes(10)), uuid7(start + _DAY, bytes(10))


def encode(prefix: Prefix, identifier: UUID) -> str:
    """The public form: prefix, `_`, and the 128 bits in Crockford's base32, upper case."""
    padded = b32encode(identifier.int.to_bytes(_PADDED_BYTES, "big"))
    return f"{prefix}_{padded[6:].translate(_TO_CROCKFORD).decode()}"


def decode(prefix: Prefix, text: str) -> UUID | None:
    """The UUID of a public id in either case; None if it is anything else, or of another kind."""
    match = _PUBLIC_ID.fullmatch(text)
    if match is None or match[1].lower() != prefix:
        return None
    padded = _PADDING + match[2].upper().encode().translate(_FROM_CROCKFORD)
    return UUID(int=int.from_bytes(b32decode(padded), "big"))


def first_at(moment: datetime) -> UUID:
    """The lowest UUIDv7 of the moment's millisecond: the lower bound of what was made since."""
    return uuid7(max(0, (moment - _EPOCH) // timedelta(milliseconds=1)), bytes(10))


def first_of(identifier: UUID) -> UUID:
    """The lowest UUIDv7 of the same millisecond: nothing that followed from it is below."""
    return uuid7(identifier.int >> 80, bytes(10))
