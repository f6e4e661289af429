"""One thing that is wrong at this moment, before it is kept as a finding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from monitoring.models import Kind, Side


@dataclass(frozen=True, slots=True)
class Seen:
    """There is at most one of a kind and subject."""

    kind: Kind
    subject: str
    side: Side
    words: str
    href: str


def spelled(time: timedelta | None) -> str:
    """In the largest unit that it fills: enough to judge by."""
    seconds = round(time.total_seconds()) if time else 0
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
