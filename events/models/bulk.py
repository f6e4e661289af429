"""Bulk jobs: a retry or a cancel of every owed delivery that meets criteria, in slices."""

from __future__ import annotations

from enum import StrEnum
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.rules import ids
from events.rules.ids import Prefix


class BulkVerb(StrEnum):
    RETRY = "retry"
    CANCEL = "cancel"


class BulkState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class BulkQuerySet(models.QuerySet["BulkJob"]):
    def seen_by(self, tenant: str | None) -> Self:
        """A key of one tenant sees that tenant's jobs only."""
        return self if tenant is None else self.filter(tenant=tenant)

    def running(self) -> Self:
        return self.filter(state=BulkState.RUNNING)

    def held(self, job: UUID, *, wait: bool) -> BulkJob | None:
        """The running job, locked; None where it has ended, or another holds it and none waits."""
        return self.running().select_for_update(skip_locked=not wait).filter(id=job).first()


class BulkJob(models.Model):
    """What to act on (`criteria`, see events/choose.py) and how far it has come.

    `cursor` is the last delivery that was looked at; it moves in the transaction that acts, so a
    kill at any moment loses and repeats nothing. `total` was counted at the start, `acted` is what
    was done. `token` makes a double click one job.
    """

    id = models.UUIDField(primary_key=True)
    verb = models.TextField(choices=[(v, v) for v in BulkVerb])
    criteria = models.JSONField()
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    state = models.TextField(choices=[(s, s) for s in BulkState], default=BulkState.RUNNING)
    total = models.BigIntegerField()
    acted = models.BigIntegerField(default=0)
    cursor = models.UUIDField(null=True)
    token = models.TextField(unique=True)
    created_by = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = BulkQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("id", condition=Q(state="running"), name="bulk_running")]
        constraints = [
            models.CheckConstraint(condition=Q(verb__in=list(BulkVerb)), name="bulk_verb"),
            models.CheckConstraint(condition=Q(state__in=list(BulkState)), name="bulk_state"),
            models.CheckConstraint(
                condition=Q(state="running", finished_at=None)
                | (~Q(state="running") & Q(finished_at__isnull=False)),
                name="bulk_running_is_not_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.verb} {self.state}"

    @property
    def public_id(self) -> str:
        return ids.encode(Prefix.BULK, self.id)
