"""Dead letters and their groups."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q, Sum

from events.rules import ids
from events.rules.ids import Prefix


class LetterState(StrEnum):
    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class SignatureQuerySet(models.QuerySet["Signature"]):
    def seen_by(self, tenant: str | None) -> Self:
        """A key of one tenant sees the groups of that tenant's subscriptions only."""
        return self if tenant is None else self.filter(owner=tenant)

    def with_open(self) -> Self:
        """Groups that somebody still has to deal with, the newest first."""
        return self.filter(open__gt=0).order_by("-last_at", "id")

    def letters(self) -> int:
        """How many open letters these groups have in all."""
        return int(self.order_by().aggregate(n=Sum("open", default=0))["n"])


class Signature(models.Model):
    """Dead letters that failed alike.

    `total` and `open` are kept in the transactions that bury, replay and discard, so a group of
    any size is counted by reading one row.
    """

    id = models.UUIDField(primary_key=True)
    subscription = models.UUIDField(db_column="subscription_id")
    owner = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    outcome = models.TextField()
    status = models.IntegerField(null=True)
    words = models.TextField()
    error = models.TextField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    total = models.BigIntegerField()
    open = models.BigIntegerField()

    objects = SignatureQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index("last_at", condition=Q(open__gt=0), name="signature_open"),
            models.Index("subscription", name="signature_subscription"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(open__gte=0, open__lte=models.F("total")), name="signature_counts"
            )
        ]

    def __str__(self) -> str:
        return f"{self.open} of {self.error}"


class DeadLetterQuerySet(models.QuerySet["DeadLetter"]):
    def seen_by(self, tenant: str | None) -> Self:
        """A key of one tenant sees that tenant's dead letters only."""
        return self if tenant is None else self.filter(owner=tenant)

    def open(self) -> Self:
        return self.filter(state=LetterState.OPEN)

    def discarded(self, at: datetime | None = None) -> Self:
        """All of them, or those of the discard at one moment."""
        found = self.filter(state=LetterState.DISCARDED)
        return found if at is None else found.filter(settled_at=at)

    def died_between(self, start: datetime | None, end: datetime | None) -> Self:
        """From `start` on and before `end`; None leaves that side open."""
        found = self if start is None else self.filter(died_at__gte=start)
        return found if end is None else found.filter(died_at__lt=end)

    def before(self, cursor: UUID | None) -> Self:
        """The next page of a newest-first list."""
        newest_first = self.order_by("-id")
        return newest_first if cursor is None else newest_first.filter(id__lt=cursor)


class DeadLetter(models.Model):
    """A delivery that ended in `dead`; its id is the delivery's."""

    id = models.UUIDField(primary_key=True)
    event = models.UUIDField(db_column="event_id")
    subscription = models.UUIDField(db_column="subscription_id")
    owner = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    event_type = models.TextField()
    signature = models.ForeignKey(Signature, models.PROTECT, related_name="letters")
    state = models.TextField(choices=[(s, s) for s in LetterState], default=LetterState.OPEN)
    attempts = models.IntegerField()
    status = models.IntegerField(null=True)
    error = models.TextField()
    reason = models.TextField()
    died_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    settled_by = models.TextField(default="")
    replay = models.UUIDField(null=True, db_column="replay_id")

    objects = DeadLetterQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index("signature", "id", condition=Q(state="open"), name="letter_open_group"),
            models.Index(
                "subscription", "id", condition=Q(state="open"), name="letter_open_subscription"
            ),
            models.Index("id", condition=Q(state="open"), name="letter_open"),
            models.Index("event", "id", condition=Q(state="open"), name="letter_open_event"),
            models.Index("owner", "id", condition=Q(owner__isnull=False), name="letter_owner"),
            models.Index("event", name="letter_event"),
            # Dry runs count from this index alone.
            models.Index(
                "died_at",
                include=["subscription", "event_type"],
                condition=Q(state="open"),
                name="letter_open_died",
            ),
            models.Index("settled_at", condition=Q(state="discarded"), name="letter_discarded"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=list(LetterState)), name="letter_state"),
            models.CheckConstraint(
                condition=Q(state="open", settled_at=None) | ~Q(state="open"),
                name="letter_open_is_not_settled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.reason}"

    @property
    def public_id(self) -> str:
        return ids.encode(Prefix.DEAD_LETTER, self.id)
