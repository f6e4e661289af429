"""The last day of groups of dead letters: how many died in each hour, as bars in their row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from dlq.models import DeathHour

HOURS = 24
HOUR = timedelta(hours=1)
STEP, GROUND, LOWEST = 24, 76, 8


@dataclass(frozen=True, slots=True)
class Spark:
    """`path` draws a bar an hour, the highest for the hour with the `most`."""

    path: str
    total: int
    most: int


def sparks_of(groups: Collection[UUID], now: datetime) -> Mapping[UUID, Spark]:
    """One query, at most HOURS rows a group."""
    first = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - HOUR * (HOURS - 1)
    found = DeathHour.objects.since(first, groups)
    kept: dict[UUID, dict[int, int]] = {one: {} for one in groups}
    for signature, hour, died in found.values_list("signature", "hour", "died"):
        kept[signature][(hour - first) // HOUR] = died
    return {signature: _spark(counts) for signature, counts in kept.items()}


def _spark(counts: Mapping[int, int]) -> Spark:
    most = max(counts.values(), default=0)
    bars = [
        f"M{place * STEP + STEP // 2} {GROUND}v-{LOWEST + (GROUND - LOWEST) * died // most}"
        for place, died in sorted(counts.items())
    ]
    return Spark("".join(bars), sum(counts.values()), most)
