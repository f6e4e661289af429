"""Replays: jobs that make new deliveries, paced, resumable and cancellable."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.rules import ids
from events.rules.ids import Prefix


class ReplayState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class ReplaySource(StrEnum):
    DEAD_LETTERS = "dead_letters"
    EVENTS = "events"


def retention() -> timedelta:
    """How long what ended is kept."""
    return timedelta(days=settings.REDRIVE_RETENTION_DAYS)


class ReplayQuerySet(models.QuerySet["Replay"]):
    def seen_by(self, tenant: str | None) -> Self:
        """A key of one tenant sees that tenant's replays only."""
        return self if tenant is None else self.filter(tenant=tenant)

    def running(self) -> Self:
        return self.filter(state=ReplayState.RUNNING)

    def long_over(self) -> Self:
        """Those that ended before what is kept."""
        return self.filter(finished_at__lte=Now() - retention())

    def before(self, cursor: UUID | None) -> Self:
        """The next page of a newest-first list."""
        newest_first = self.order_by("-id")
        return newest_first if cursor is None else newest_first.filter(id__lt=cursor)


class Replay(models.Model):
    """What to replay (`criteria`, see dlq/select.py), how fast, and how far it has come.

    `cursor` is the last source that was looked at; it moves in the transaction that makes the
    deliveries, so a kill at any moment loses and repeats nothing. `token` makes a double click
    one replay. `rate` is deliveries a second, None for as fast as it goes. `again` sends also what
    its endpoint was delivered already.
    """

    id = models.UUIDField(primary_key=True)
    source = models.TextField(choices=[(s, s) for s in ReplaySource])
    criteria = models.JSONField()
    target = models.UUIDField(null=True)
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    rate = models.FloatField(null=True)
    fresh = models.BooleanField(default=False)
    again = models.BooleanField(default=False)
    state = models.TextField(choices=[(s, s) for s in ReplayState], default=ReplayState.RUNNING)
    total = models.BigIntegerField()
    made = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    cursor = models.UUIDField(null=True)
    paced_at = models.DateTimeField(db_default=Now())
    token = models.TextField(unique=True)
    created_by = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = ReplayQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("id", condition=Q(state="running"), name="replay_running")]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=list(ReplayState)), name="replay_state"),
            models.CheckConstraint(condition=Q(rate=None) | Q(rate__gt=0), name="replay_rate"),
            models.CheckConstraint(
                condition=Q(state="running", finished_at=None)
                | (~Q(state="running") & Q(finished_at__isnull=False)),
                name="replay_running_is_not_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.state}"

    @property
    def public_id(self) -> str:
        return ids.encode(Prefix.REPLAY, self.id)
