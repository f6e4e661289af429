"""What replays left out."""

from __future__ import annotations

from enum import StrEnum
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Exists, Q
from django.db.models.functions import Now
from django.utils import timezone

from dlq.models.replay import Replay, retention
from events.rules import ids


class SkipReason(StrEnum):
    EVENT = "event_gone"
    SUBSCRIPTION = "subscription_gone"


class ReplaySkipQuerySet(models.QuerySet["ReplaySkip"]):
    def of(self, replay: UUID) -> Self:
        """All of one replay; none of one that is long over, whether they are dropped or not."""
        kept = Replay.objects.exclude(finished_at__lte=Now() - retention()).filter(id=replay)
        return self.filter(Exists(kept), replay=replay)

    def next_old(self, after: UUID) -> UUID | None:
        """The next replay with any, of those that began before what is kept: one step of a key."""
        ends = ids.first_at(timezone.now() - retention())
        old = self.filter(replay_id__gt=after, replay_id__lt=ends).order_by("replay_id")
        return old.values_list("replay_id", flat=True).first()


class ReplaySkip(models.Model):
    """A source that a replay came to and could not send: a dead letter, or an event.

    Written in the transaction that counts it in `Replay.skipped`, kept until the retention after
    the replay's end is over. The key alone serves the list of a replay and the search for old ones.
    """

    pk = models.CompositePrimaryKey("replay_id", "source")
    replay = models.ForeignKey(Replay, models.PROTECT, db_index=False)
    source = models.UUIDField()
    reason = models.TextField(choices=[(r, r) for r in SkipReason])
    at = models.DateTimeField(db_default=Now())

    objects = ReplaySkipQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(reason__in=list(SkipReason)), name="skip_reason")
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.reason}"
