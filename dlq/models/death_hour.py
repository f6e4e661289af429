"""How many died in each hour, for each group of dead letters."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Self
from uuid import UUID

from django.db import models


class DeathHourQuerySet(models.QuerySet["DeathHour"]):
    def since(self, hour: datetime, groups: Collection[UUID]) -> Self:
        """The hours of some groups from one on."""
        return self.filter(signature__in=list(groups), hour__gte=hour)


class DeathHour(models.Model):
    """Counted in the transaction that buries, so that a group's last day is read from a few rows.

    `hour` is its beginning, in UTC.
    """

    pk = models.CompositePrimaryKey("signature", "hour")
    signature = models.UUIDField(db_column="signature_id")
    hour = models.DateTimeField()
    died = models.BigIntegerField()

    objects = DeathHourQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("hour", name="death_hour")]

    def __str__(self) -> str:
        return f"{self.died} in the hour from {self.hour}"
