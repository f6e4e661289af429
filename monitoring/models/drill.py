"""Drills: what was broken on purpose, here or on a stack of its own, and what then happened."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

OVERDUE_AFTER = timedelta(days=7)

MAKE = "make drill"
"""By whom the drills were run that break a stack of their own."""


class DrillQuerySet(models.QuerySet["Drill"]):
    def here(self) -> Self:
        """Those of this system."""
        return self.exclude(by=MAKE)

    def of_make(self) -> Self:
        """The last run of each fault, on a stack of its own."""
        return self.filter(by=MAKE).order_by("name", "-started_at").distinct("name")

    def newest_first(self) -> Self:
        return self.order_by("-started_at", "-id")

    def last_of_each(self, names: Iterable[str]) -> Self:
        """The last run of each of these drills; others are not run any more."""
        return self.filter(name__in=names).order_by("name", "-started_at").distinct("name")

    def overdue(self, after: timedelta) -> Self:
        """Older than they may be, by Postgres's clock: no schedule runs those of `make drill`."""
        return self.filter(
            Q(~Q(by=MAKE), started_at__lt=Now() - after)
            | Q(by=MAKE, started_at__lt=Now() - OVERDUE_AFTER)
        )


class Drill(models.Model):
    """One run of one drill: what was expected, what was seen, whether they agree.

    `seconds` is how long it took, or how long until all was delivered again where `make drill` ran
    it; `by` is who had it run.
    """

    name = models.TextField()
    expected = models.TextField()
    seen = models.TextField()
    held = models.BooleanField()
    seconds = models.FloatField()
    by = models.TextField()
    started_at = models.DateTimeField(db_default=Now())

    objects = DrillQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("name", F("started_at").desc(), name="drill_name")]

    def __str__(self) -> str:
        return f"{self.name}: {'held' if self.held else 'broken'}"
