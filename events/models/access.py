"""Who may do what over REST, and who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Scope(models.TextChoices):
    PUBLISH = "publish"
    READ = "read"
    MANAGE = "manage"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self, now: datetime) -> Self:
        """Neither revoked nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class ApiKey(models.Model):
    """A bearer key: only the SHA-256 of its secret part is kept; `lookup` is what finds it."""

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

    objects = ApiKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"rdk_{self.lookup}… {self.name}"


class AuditEntry(models.Model):
    """One change made by a person or a key. A trigger refuses UPDATE, DELETE and TRUNCATE."""

    at = models.DateTimeField(db_default=Now())
    actor = models.TextField()
    action = models.TextField()
    target = models.TextField(db_index=True)
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"
