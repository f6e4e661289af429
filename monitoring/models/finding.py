"""Findings: what is wrong now, whose side it is on, and who has seen it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Side(StrEnum):
    OURS = "ours"
    THEIRS = "theirs"


class Kind(StrEnum):
    LEDGER = "ledger"
    SAMPLER = "sampler"
    PROCESS = "process"
    CRASH_LOOP = "crash-loop"
    CLOCK = "clock"
    DEAF = "deaf"
    BROKER = "broker"
    LEVEL = "level"
    DISK = "disk"
    RETENTION = "retention"
    BREAKER = "breaker"
    DISABLED = "disabled"
    OUR_FAULT = "our-fault"
    UNACCOUNTED = "unaccounted"
    BROKEN_PROMISE = "broken-promise"
    MISSING_PARTITION = "missing-partition"
    MISSING_EPOCH = "missing-epoch"
    MISSING_LANE = "missing-lane"
    STUCK_LEASE = "stuck-lease"
    ORPHAN = "orphan"
    OLD_TEST = "old-test"
    UNBURIED = "unburied"
    GROUP_COUNT = "group-count"
    LEDGER_ENDED = "ledger-ended"
    TENANT_LEDGER = "tenant-ledger"
    STUCK_FAN_OUT = "stuck-fan-out"
    STUCK_PROBE = "stuck-probe"
    EVENTLESS = "eventless"
    OWED_AND_FINISHED = "owed-and-finished"
    ATTEMPT_COUNT = "attempt-count"
    DEATHLESS = "deathless"
    REPLAYED_TWICE = "replayed-twice"
    DRILL = "drill"
    QUIET_PRODUCER = "quiet-producer"


class FindingQuerySet(models.QuerySet["Finding"]):
    def standing(self) -> Self:
        """Not over yet."""
        return self.filter(cleared_at=None)

    def ringing(self, now: datetime) -> Self:
        """Standing, and nobody has said that they know."""
        return self.standing().filter(
            Q(silenced_until=None) | Q(silenced_until__lte=now), acknowledged_at=None
        )


class Finding(models.Model):
    """One thing that is wrong, from `since` until `cleared_at`; seen again at `seen_at`.

    `subject` is the public id or name of what it is about: while it stands there is one finding
    of a kind and subject, however often it is seen.
    """

    kind = models.TextField(choices=[(kind, kind) for kind in Kind])
    subject = models.TextField(default="")
    side = models.TextField(choices=[(side, side) for side in Side])
    words = models.TextField()
    href = models.TextField(default="")
    since = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.TextField(default="")
    silenced_until = models.DateTimeField(null=True)
    silenced_by = models.TextField(default="")
    cleared_at = models.DateTimeField(null=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(cleared_at=None),
                name="finding_stands_once",
            ),
            models.CheckConstraint(condition=Q(side__in=list(Side)), name="finding_side"),
        ]
        indexes = [models.Index(models.F("since").desc(), name="finding_since")]

    def __str__(self) -> str:
        return self.words

    def state(self, now: datetime) -> str:
        """In the words of monitoring/looks.py."""
        if self.cleared_at is not None:
            return "cleared"
        if self.silenced_until is not None and self.silenced_until > now:
            return "silenced"
        return "open" if self.acknowledged_at is None else "acknowledged"
