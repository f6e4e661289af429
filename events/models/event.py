"""Events as they were published, and what makes two publishes the same one."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from events.rules import ids
from events.rules.ids import Prefix


class Priority(models.IntegerChoices):
    """Lower is sooner; a lane serves its high deliveries first."""

    HIGH = 0, "high"
    NORMAL = 1, "normal"
    LOW = 2, "low"


class EventQuerySet(models.QuerySet["Event"]):
    """Named questions to the event log; each is served by one index."""

    def seen_by(self, tenant: str | None) -> Self:
        """A key of one tenant sees that tenant's events only; an operator's key sees all."""
        return self if tenant is None else self.filter(tenant=tenant)

    def received_between(self, start: datetime | None, end: datetime | None) -> Self:
        """Bounds the id, not only the time: ids sort by time, so other days are pruned."""
        found = self
        if start is not None:
            found = found.filter(id__gte=ids.first_at(start), received_at__gte=start)
        if end is not None:
            found = found.filter(id__lt=ids.first_at(end), received_at__lt=end)
        return found

    def before(self, cursor: UUID | None) -> Self:
        """The next page of a newest-first list."""
        newest_first = self.order_by("-id")
        return newest_first if cursor is None else newest_first.filter(id__lt=cursor)

    def with_bytes(self) -> Self:
        """With the size of the data as `bytes`, which then need not be read."""
        size = models.Func("data", function="octet_length", output_field=models.IntegerField())
        return self.annotate(bytes=size)


class Event(models.Model):
    """An immutable fact. The table is partitioned by day on the id; retention drops days.

    `data` holds the bytes exactly as received: signatures are over bytes. `misses` names the
    subscriptions whose pattern matched but whose filter did not, with the reason.
    """

    id = models.UUIDField(primary_key=True)
    source = models.TextField()
    type = models.TextField()
    subject = models.TextField(null=True)  # noqa: DJ001 - absent and empty differ in CloudEvents
    time = models.TextField(null=True)  # noqa: DJ001 - kept as the producer spelled it
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    ordering_key = models.TextField(null=True)  # noqa: DJ001 - as above
    priority = models.SmallIntegerField(choices=Priority)
    datacontenttype = models.TextField(null=True)  # noqa: DJ001 - absent means JSON
    dataschema = models.TextField(null=True)  # noqa: DJ001 - as above
    data = models.BinaryField()
    extensions = models.JSONField(default=dict)
    traceparent = models.TextField(null=True)  # noqa: DJ001 - no trace
    producer = models.UUIDField(null=True)
    producer_event_id = models.TextField(null=True)  # noqa: DJ001 - the id was made here
    received_at = models.DateTimeField()
    matched = models.IntegerField()
    misses = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "events_event"

    def __str__(self) -> str:
        return f"{self.public_id} {self.type}"

    @property
    def public_id(self) -> str:
        return ids.encode(Prefix.EVENT, self.id)

    @property
    def cloudevents_id(self) -> str:
        """The id that receivers see as ce-id: the producer's own where it gave one."""
        return self.producer_event_id or self.public_id


class EventIdentity(models.Model):
    """One publish that must not become two events.

    `key` is a digest of (tenant, source, producer's event id) or of (producer, Idempotency-Key),
    `content` a digest of what was published under it. The table is not partitioned, on purpose:
    a unique index of a partitioned table must hold the partition key, which would end
    de-duplication at midnight.
    """

    key = models.UUIDField(primary_key=True)
    event = models.UUIDField(db_column="event_id")
    content = models.UUIDField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return str(self.key)


class FanOut(models.Model):
    """Matches of one event that the publish left for a worker to expand into deliveries.

    The ids are those matched at commit, so what is expanded later is what was promised then.
    """

    event = models.UUIDField(primary_key=True, db_column="event_id")
    remaining = ArrayField(models.UUIDField())
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{len(self.remaining)} deliveries to expand"
