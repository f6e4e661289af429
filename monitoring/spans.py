"""What the charts show: from when to when, and in how many points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.models.sample import SECONDS_KEPT

POINTS = 60

RANGES = {
    "20m": timedelta(minutes=20),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class Span:
    """What the charts show at `now`; `width` is the seconds of one point.

    Of what is old there is one sample a minute: points closer than that would leave false gaps.
    """

    start: datetime
    end: datetime
    now: datetime

    @property
    def width(self) -> float:
        least = 60.0 if self.start < self.now - SECONDS_KEPT else 1.0
        return max(least, self._seconds / POINTS)

    @property
    def points(self) -> int:
        return min(POINTS, max(2, math.ceil(self._seconds / self.width)))

    @property
    def _seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    def place(self, at: datetime) -> int:
        """The point that a moment belongs to."""
        return int((at - self.start).total_seconds() / self.width)
