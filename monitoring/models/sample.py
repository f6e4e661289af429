"""Samples: what the system looked like, a row a second, later a row a minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models

SECONDS_KEPT = timedelta(hours=1)
MINUTES_KEPT = timedelta(days=30)


class SampleQuerySet(models.QuerySet["Sample"]):
    def newest(self) -> Sample | None:
        return self.filter(rolled=False).order_by("-id").first()

    def ticks(self) -> Self:
        """As they were taken, not yet summed."""
        return self.filter(rolled=False)

    def between(self, start: datetime, end: datetime) -> Self:
        return self.filter(at__gte=start, at__lt=end).order_by("at")


class Sample(models.Model):
    """One look at everything, `span` seconds after the one before.

    The id comes from a sequence, so it grows across restarts: it is the version (`data-v`) of all
    that is drawn from this sample. Counts are of the span; `totals` are the ledger's sums since
    ever, whose difference they are. Latencies are milliseconds from publish to 2xx on the first
    try, None where nothing was sent. `unaccounted` is what the ledger says is owed less what is,
    counted at `checked_at`. `lanes` holds the ten worst lanes, of the newest samples only.
    """

    at = models.DateTimeField()
    span = models.FloatField()
    rolled = models.BooleanField(default=False)
    accepted = models.BigIntegerField(default=0)
    created = models.BigIntegerField(default=0)
    delivered = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    attempts = models.BigIntegerField(default=0)
    failures = models.BigIntegerField(default=0)
    ours = models.BigIntegerField(default=0)
    p50 = models.FloatField(null=True)
    p95 = models.FloatField(null=True)
    p99 = models.FloatField(null=True)
    due = models.BigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0)
    parked = models.BigIntegerField(default=0)
    in_flight = models.BigIntegerField(default=0)
    oldest = models.FloatField(null=True)
    open = models.IntegerField(default=0)
    half_open = models.IntegerField(default=0)
    paused = models.IntegerField(default=0)
    disabled = models.IntegerField(default=0)
    level = models.TextField(default="unknown")
    findings = models.IntegerField(default=0)
    unaccounted = models.BigIntegerField(null=True)
    checked_at = models.DateTimeField(null=True)
    totals = models.JSONField(default=dict)
    lanes = models.JSONField(default=list)

    objects = SampleQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index("at", name="sample_at"),
            models.Index("at", condition=models.Q(rolled=False), name="sample_tick"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} +{self.created} -{self.delivered}"

    @property
    def owed(self) -> int:
        return self.due + self.waiting + self.parked + self.in_flight
