"""The load level, written by a dispatcher and read by every process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.rules.load import Level, Load, Step, given_up

COUNTS_FOR = timedelta(seconds=15)
"""A level is measured every second: an older one says that nobody measures, and refuses nothing."""


class LoadLevelQuerySet(models.QuerySet["LoadLevel"]):
    def in_force(self) -> LoadLevel:
        """The level, by Postgres's clock; a normal one where none was measured lately."""
        return self.filter(measured_at__gt=Now() - COUNTS_FOR).first() or LoadLevel(id=1)


class LoadLevel(models.Model):
    """One row: the level now, since when, why, and what was measured for it.

    `leaning` counts the measurements in a row that ask for another level (rules/load.py).
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    level = models.TextField(choices=[(level, level) for level in Level], default=Level.NORMAL)
    since = models.DateTimeField(db_default=Now())
    measured_at = models.DateTimeField(db_default=Now())
    reasons = ArrayField(models.TextField(), default=list)
    disk_full = models.BooleanField(default=False)
    leaning = models.SmallIntegerField(default=0)
    measures = models.JSONField(default=dict)

    objects = LoadLevelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="load_level_is_one_row"),
            models.CheckConstraint(condition=Q(level__in=list(Level)), name="load_level"),
        ]

    def __str__(self) -> str:
        return self.level

    @property
    def load(self) -> Load:
        return Load(Level(self.level), tuple(self.reasons), self.disk_full, self.leaning)

    @property
    def steps(self) -> Sequence[Step]:
        """What is given up now."""
        return given_up(Level(self.level), disk_full=self.disk_full)
