"""Jobs that discard or restore many dead letters, a slice a transaction."""

from __future__ import annotations

from enum import StrEnum
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class LetterVerb(StrEnum):
    DISCARD = "discard"
    RESTORE = "restore"


class JobState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class LetterJobQuerySet(models.QuerySet["LetterJob"]):
    def running(self) -> Self:
        return self.filter(state=JobState.RUNNING)

    def held(self, job: UUID, *, wait: bool) -> LetterJob | None:
        """The running job, locked; None where it has ended, or another holds it and none waits."""
        return self.running().select_for_update(skip_locked=not wait).filter(id=job).first()


class LetterJob(models.Model):
    """Which letters (`criteria`, see dlq/select.py), and how many have been moved of the `total`.

    A slice moves letters out of what the job looks for, so it needs no cursor: a kill at any moment
    loses and repeats nothing. All letters of a discard have its `moment`, by which it is undone; a
    restore with a moment takes those of that discard alone.
    """

    id = models.UUIDField(primary_key=True)
    verb = models.TextField(choices=[(v, v) for v in LetterVerb])
    criteria = models.JSONField()
    moment = models.DateTimeField(null=True)
    state = models.TextField(choices=[(s, s) for s in JobState], default=JobState.RUNNING)
    total = models.BigIntegerField()
    moved = models.BigIntegerField(default=0)
    created_by = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = LetterJobQuerySet.as_manager()

    class Meta:
        indexes = [models.Index("id", condition=Q(state="running"), name="letter_job_running")]
        constraints = [
            models.CheckConstraint(condition=Q(verb__in=list(LetterVerb)), name="letter_job_verb"),
            models.CheckConstraint(condition=Q(state__in=list(JobState)), name="letter_job_state"),
            models.CheckConstraint(
                condition=Q(state="running", finished_at=None)
                | (~Q(state="running") & Q(finished_at__isnull=False)),
                name="letter_job_running_is_not_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.moved} of {self.total}"
