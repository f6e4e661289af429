"""What makes two deaths alike: the pure part of grouping."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID

SAMPLE = 200
"""Characters of a response that count."""

# Ids, numbers, times and addresses differ from one failure to the next of the same kind.
_VARIABLE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\b0x[0-9a-f]+\b|\b[0-9a-f]{12,}\b|\d+",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")


def normalise(body: bytes) -> str:
    """A response with what varies replaced by `#`, at most SAMPLE characters, printable."""
    text = body[: SAMPLE * 4].decode("utf-8", "replace").replace("\0", "")
    return _SPACE.sub(" ", _VARIABLE.sub("#", text)).strip()[:SAMPLE]


def signature(subscription: UUID, outcome: str, status: int | None, words: str) -> UUID:
    """The id of the group: deaths with the same one are shown, replayed and discarded together.

    `words` are the normalised response, or the error where there was none.
    """
    parts = "\0".join((str(subscription), outcome, str(status), words))
    return UUID(bytes=hashlib.blake2b(parts.encode(), digest_size=16).digest())


def words_of(error: str, body: bytes) -> str:
    """What a group is told by: the response if there was one, else the error."""
    return normalise(body) or normalise(error.encode())
