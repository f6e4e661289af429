"""What receivers took more than once, and why.

A repeat is explained by what was lost between a send and its record. Of the requests of one
delivery that a receiver took, one at most is on record as delivered by its lease holder. Of every
other one the answer did not reach us (it is on record as failed), or it is on record as late, or it
is on no record, since its process or its record was lost; and then it was sent again only when its
lease had run out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from drills.laws import Evidence
from events.rules import ids
from events.rules.ids import Prefix

FRESH = 2.0
"""Seconds of a lease that may be over when its send begins."""

SLACK = 0.5

Request = Mapping[str, Any]


class Recorded(Enum):
    """What the attempts say of a request."""

    HELD = "delivered, by the holder of the lease"
    FAILED = "failed, by the holder of the lease"
    LATE = "late"
    LOST = "not at all"


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many requests there were too many, and of how many of them it is not known why."""

    total: int = 0
    unexplained: tuple[str, ...] = ()

    @property
    def explained(self) -> int:
        return self.total - len(self.unexplained)

    def since(self, before: Repeats) -> Repeats:
        """What came after an earlier count."""
        new = Counter(self.unexplained) - Counter(before.unexplained)
        return Repeats(self.total - before.total, tuple(new.elements()))


def repeats(found: Evidence) -> Repeats:
    """Of every delivery that was answered with 2xx more than once."""
    taken: dict[str, list[Request]] = defaultdict(list)
    for line in found.received:
        if 200 <= line["status"] < 300:
            taken[line["id"]].append(line)
    several = {name: lines for name, lines in taken.items() if len(lines) > 1}
    known = _attempts(found, list(several))
    unexplained: list[str] = []
    for name, lines in several.items():
        records = [known.get(line["hop"][36:52], Recorded.LOST) for line in lines]
        if wrong := _wrong(lines, records, found.lease):
            unexplained += [f"{name} {wrong}"] * (len(lines) - 1)
    return Repeats(sum(len(lines) - 1 for lines in several.values()), tuple(unexplained))


def _attempts(found: Evidence, names: Sequence[str]) -> dict[str, Recorded]:
    """How each request was recorded, by the span id that it carried (events/engine/envelope)."""
    wanted = [one for name in names if isinstance(one := ids.decode(Prefix.DELIVERY, name), UUID)]
    rows = found.database.execute(
        "SELECT a.id, a.late, a.verdict FROM events_attempt AS a JOIN events_delivery AS d "
        "ON d.id = a.delivery_id WHERE d.webhook_id = ANY(%s)",
        [wanted],
    )
    return {attempt.hex[16:]: _recorded(verdict, late=late) for attempt, late, verdict in rows}


def _recorded(verdict: str, *, late: bool) -> Recorded:
    if late:
        return Recorded.LATE
    return Recorded.HELD if verdict == "delivered" else Recorded.FAILED


def _wrong(lines: Sequence[Request], records: Sequence[Recorded], lease: float) -> str:
    """Why the requests of one delivery are no takeover; empty if they are."""
    held = records.count(Recorded.HELD)
    if held > 1:
        return f"was delivered {held} times by holders of its lease"
    for line, record, following in zip(lines, records, lines[1:], strict=False):
        apart = following["at"] - line["at"]
        if record is Recorded.LOST and apart < lease - FRESH - SLACK:
            return f"was sent again after {apart:.1f} s, while its lease was running"
    return ""
