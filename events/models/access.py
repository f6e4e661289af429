"""Who may do what over REST, and who did what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import DurationField, ExpressionWrapper, F, Q
from django.db.models.functions import Now


class Scope(models.TextChoices):
    PUBLISH = "publish"
    READ = "read"
    MANAGE = "manage"


QUIET_AT_LEAST = timedelta(minutes=15)
QUIET_TIMES = 10
"""A producer is quiet after this many of its usual gaps, and never before QUIET_AT_LEAST."""

HABIT = 20
"""Gaps that were seen before a producer has a habit at all."""


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def quiet(self, now: datetime) -> Self:
        """Producers that published by habit and have not for long; `silent` says for how long."""
        gap = ExpressionWrapper(F("usual_gap") * QUIET_TIMES, output_field=DurationField())
        return (
            self.usable(now)
            .annotate(silent=Now() - F("last_published_at"))
            .filter(gaps__gte=HABIT, silent__gt=gap, last_published_at__lt=Now() - QUIET_AT_LEAST)
        )

    def usable(self, now: datetime) -> Self:
        """Neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class ApiKey(models.Model):
    """A bearer key: only the SHA-256 of its secret part is kept; `lookup` is what finds it.

    `usual_gap` is the average time between two publishes that were looked up, seconds apart at
    least: its habit, once enough `gaps` were seen. `refused` counts events that were not taken, and
    `last_refusal` is the code of the last one (problems.Code).
    """

    id = models.UUIDField(primary_key=True)
    lookup = models.TextField(unique=True)
    digest = models.BinaryField()
    name = models.TextField()
    scopes = ArrayField(models.TextField(choices=Scope))
    tenant = models.TextField(null=True, blank=True)  # noqa: DJ001 - null sees every tenant
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_published_at = models.DateTimeField(null=True)
    usual_gap = models.DurationField(null=True)
    gaps = models.IntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    last_refused_at = models.DateTimeField(null=True)
    last_refusal = models.TextField(default="")

    objects = ApiKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"rdk_{self.lookup}… {self.name}"


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def last_of(self, target: str, action: str) -> AuditEntry:
        """The newest of this kind about one thing. Raises AuditEntry.DoesNotExist."""
        return self.filter(target=target, action=action).order_by("-id")[:1].get()


class AuditEntry(models.Model):
    """One change made by a person or a key. A trigger refuses UPDATE, DELETE and TRUNCATE."""

    at = models.DateTimeField(db_default=Now())
    actor = models.TextField()
    action = models.TextField()
    target = models.TextField(db_index=True)
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"
