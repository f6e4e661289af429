"""The health of each lane over the last day, a row a quarter of an hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models

QUARTER = timedelta(minutes=15)
KEPT = timedelta(days=2)

BUCKETS = [5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000]
"""Upper bounds in milliseconds of the histogram's buckets; the last bucket has none."""


class LaneQuarterQuerySet(models.QuerySet["LaneQuarter"]):
    def since(self, start: datetime) -> Self:
        return self.filter(at__gte=start)


class LaneQuarter(models.Model):
    """Attempts of one subscription in the quarter that began at `at`.

    `failures` are the endpoint's, `ours` are not. `histogram` counts the answers by their total
    milliseconds, in BUCKETS.
    """

    subscription = models.UUIDField(db_column="subscription_id")
    at = models.DateTimeField()
    attempts = models.BigIntegerField(default=0)
    failures = models.BigIntegerField(default=0)
    ours = models.BigIntegerField(default=0)
    histogram = ArrayField(models.BigIntegerField())

    objects = LaneQuarterQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "at"], name="lane_quarter_once")
        ]
        indexes = [models.Index("at", name="lane_quarter_at")]

    def __str__(self) -> str:
        return f"{self.subscription} {self.at:%H:%M}"
