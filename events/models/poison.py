"""Events whose content endpoints refuse: a few failures are a hint, enough of them are poison."""

from __future__ import annotations

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models


class PoisonQuerySet(models.QuerySet["Poison"]):
    def mark_of(self, event: UUID) -> Poison | None:
        """The mark of an event that is poison; None while it is not."""
        return self.filter(event=event, marked_at__isnull=False).first()


class Poison(models.Model):
    """How often endpoints answered that an event's content is at fault, and which did.

    `marked_at` is when that was enough to call the event poison; until then it is null.
    """

    event = models.UUIDField(primary_key=True, db_column="event_id")
    subscriptions = ArrayField(models.UUIDField())
    attempts = models.IntegerField()
    marked_at = models.DateTimeField(null=True)

    objects = PoisonQuerySet.as_manager()

    class Meta:
        db_table = "events_poison"

    def __str__(self) -> str:
        return f"{self.event}: {self.attempts} refusals"

    @property
    def words(self) -> str:
        """What a page says of a marked event."""
        many = len(self.subscriptions)
        endpoints = "1 endpoint refuses" if many == 1 else f"{many:,} endpoints refuse"
        return f"{endpoints} its content, in {self.attempts:,} attempts"
