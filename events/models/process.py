"""The processes that make up a running Redrive, each known by its heartbeat."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now

SUSPECT_AFTER = timedelta(seconds=10)
GONE_AFTER = timedelta(seconds=15)
KEPT = timedelta(days=1)
"""For how long the last beat of a process that is gone is kept."""

OUT = "out of rotation: "
"""What a process that is not fit to send does; its reason follows."""


class Role(models.TextChoices):
    WEB = "web"
    WORKER = "worker"
    DISPATCHER = "dispatcher"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def alive(self) -> Self:
        """Seen lately, by Postgres's clock."""
        return self.filter(beat_at__gt=Now() - GONE_AFTER)

    def gone(self) -> Self:
        return self.filter(beat_at__lte=Now() - GONE_AFTER)

    def names_deaf(self, worker: str) -> bool:
        """Whether all dispatchers say that this worker hears none of their hints.

        One alone may have the address of another broker, and must not end the workers of all.
        """
        said = self.alive().filter(role=Role.DISPATCHER).values_list("load", flat=True)
        heard_by = [worker not in load.get("deaf", ()) for load in said]
        return bool(heard_by) and not any(heard_by)

    def forgotten(self) -> Self:
        return self.filter(beat_at__lte=Now() - KEPT)


class Heartbeat(models.Model):
    """One row a process, beaten every few seconds by the loop that does the work."""

    name = models.TextField(primary_key=True)
    role = models.TextField(choices=Role)
    host = models.TextField()
    pid = models.IntegerField()
    version = models.TextField()
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now())
    doing = models.TextField(default="")
    load = models.JSONField(default=dict)

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("role", "beat_at", name="heartbeat_role")]

    def __str__(self) -> str:
        return self.name
