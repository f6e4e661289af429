"""The load level, written by a dispatcher and read by every process."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.rules.load import Level


class LoadLevel(models.Model):
    """One row: the level now, since when, why, and what was measured for it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    level = models.TextField(choices=[(level, level) for level in Level], default=Level.NORMAL)
    since = models.DateTimeField(db_default=Now())
    measured_at = models.DateTimeField(db_default=Now())
    reasons = ArrayField(models.TextField(), default=list)
    disk_full = models.BooleanField(default=False)
    measures = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="load_level_is_one_row"),
            models.CheckConstraint(condition=Q(level__in=list(Level)), name="load_level"),
        ]

    def __str__(self) -> str:
        return self.level
