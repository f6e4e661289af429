"""Deliveries: owed in a small hot table, finished in a history that is dropped by the day.

A finished delivery moves, in the statement that finishes it, from `events_owed` to
`events_finished` (docs/adr/0003). `Delivery` is the view over both, for reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from events.rules import ids
from events.rules.ids import Prefix
from events.rules.states import DeliveryState

OWED_STATES = [DeliveryState.PENDING, DeliveryState.IN_FLIGHT]


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    """Reads over owed and finished deliveries alike."""

    def seen_by(self, tenant: str | None) -> Self:
        """A key of one tenant sees deliveries to that tenant's subscriptions only."""
        return self if tenant is None else self.filter(owner=tenant)

    def before(self, cursor: UUID | None) -> Self:
        """The next page of a newest-first list."""
        newest_first = self.order_by("-id")
        return newest_first if cursor is None else newest_first.filter(id__lt=cursor)

    def of_event(self, event: UUID) -> Self:
        """A delivery is never older than its event, so older days are pruned."""
        return self.filter(event=event, id__gte=ids.first_of(event)).order_by("id")

    def of_events(self, events: Sequence[UUID]) -> Self:
        """Of some events, with the days before the oldest pruned."""
        return self.filter(event__in=events, id__gte=ids.first_of(min(events)))


class _DeliveryColumns(models.Model):
    """The columns that an owed and a finished delivery share.

    `tenant` is the event's, `owner` the subscription's. `webhook_id` is what receivers see on
    every attempt: the id of the delivery itself, or of the one that a replay repeats.
    """

    id = models.UUIDField(primary_key=True)
    event = models.UUIDField(db_column="event_id")
    subscription = models.UUIDField(db_column="subscription_id")
    tenant = models.TextField(null=True)  # noqa: DJ001 - no tenant is not the tenant ""
    owner = models.TextField(null=True)  # noqa: DJ001 - as above
    event_type = models.TextField()
    state = models.TextField(choices=[(s, s) for s in DeliveryState])
    priority = models.SmallIntegerField(default=1)
    attempts = models.IntegerField(default=0)
    ordering_key = models.TextField(null=True)  # noqa: DJ001 - as above
    webhook_id = models.UUIDField()
    replay = models.UUIDField(null=True, db_column="replay_id")
    replay_source = models.UUIDField(null=True)
    last_status = models.IntegerField(null=True)
    last_error = models.TextField(default="")
    created_at = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.public_id} {self.state}"

    @property
    def public_id(self) -> str:
        return ids.encode(Prefix.DELIVERY, self.id)


class OwedQuerySet(models.QuerySet["OwedDelivery"]):
    def in_flight(self, subscription: UUID) -> Self:
        """Sends of one lane that are under way."""
        return self.filter(subscription=subscription, state=DeliveryState.IN_FLIGHT)

    def stuck(self, subscription: UUID) -> Self:
        """What failed in an ordered lane and holds up its key, the oldest first."""
        held = self.filter(subscription=subscription, ordering_key__isnull=False, attempts__gt=0)
        return held.order_by("created_at")


class OwedDelivery(_DeliveryColumns):
    """What is still owed: pending until `due_at`, or in flight under a lease.

    The lease is a token: whoever holds it may write the verdict, nobody else. `strikes` counts
    failures of our own code at this row; three make it poison.
    """

    due_at = models.DateTimeField()
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    worker = models.TextField(default="")
    strikes = models.SmallIntegerField(default=0)

    objects = OwedQuerySet.as_manager()

    class Meta:
        db_table = "events_owed"
        indexes = [
            models.Index(
                "subscription",
                "priority",
                "due_at",
                condition=Q(state=DeliveryState.PENDING),
                name="owed_lane",
            ),
            models.Index(
                "subscription",
                "lease_until",
                condition=Q(state=DeliveryState.IN_FLIGHT),
                name="owed_in_flight",
            ),
            models.Index(
                "subscription",
                "ordering_key",
                "created_at",
                "id",
                condition=Q(ordering_key__isnull=False),
                name="owed_order",
            ),
            models.Index("event", name="owed_event"),
            models.Index("owner", "id", condition=Q(owner__isnull=False), name="owed_owner"),
            models.Index("replay", "id", condition=Q(replay__isnull=False), name="owed_replay"),
            models.Index("id", condition=Q(event_type="redrive.test"), name="owed_test"),
            models.Index(
                "last_status", "id", condition=Q(last_status__isnull=False), name="owed_status"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=OWED_STATES), name="owed_state"),
            models.CheckConstraint(
                condition=(
                    Q(
                        state=DeliveryState.IN_FLIGHT,
                        lease__isnull=False,
                        lease_until__isnull=False,
                    )
                    | (
                        Q(lease__isnull=True, lease_until__isnull=True)
                        & ~Q(state=DeliveryState.IN_FLIGHT)
                    )
                ),
                name="owed_in_flight_has_a_lease",
            ),
            models.CheckConstraint(condition=Q(attempts__gte=0), name="owed_attempts"),
            models.UniqueConstraint(
                fields=["event", "subscription"],
                condition=Q(replay__isnull=True),
                name="owed_once",
            ),
            models.UniqueConstraint(
                fields=["replay", "replay_source"],
                condition=Q(replay__isnull=False),
                name="owed_replayed_once",
            ),
        ]


class FinishedDelivery(_DeliveryColumns):
    """A delivery that ended, in the history partitioned by day on the id."""

    finished_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "events_finished"


class Delivery(_DeliveryColumns):
    """The view over owed and finished deliveries: read here, write to the tables."""

    due_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "events_delivery"


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def of_delivery(self, delivery: UUID) -> Self:
        """An attempt is never older than its delivery, so older days are pruned."""
        return self.filter(delivery=delivery, id__gte=ids.first_of(delivery)).order_by("id")


class Attempt(models.Model):
    """One try at a delivery, append-only, partitioned by day on the id.

    Durations are milliseconds. `late` marks the attempt of a worker whose lease had passed on:
    it was made, so it is kept, but its verdict did not count. `response_body` holds at most the
    first 16 KB.
    """

    id = models.UUIDField(primary_key=True)
    delivery = models.UUIDField(db_column="delivery_id")
    subscription = models.UUIDField(db_column="subscription_id")
    number = models.IntegerField()
    late = models.BooleanField()
    started_at = models.DateTimeField()
    dns_ms = models.FloatField(null=True)
    first_byte_ms = models.FloatField(null=True)
    total_ms = models.FloatField()
    outcome = models.TextField()
    verdict = models.TextField()
    status = models.IntegerField(null=True)
    error = models.TextField(default="")
    request_headers = models.JSONField()
    response_headers = models.JSONField(null=True)
    response_body = models.BinaryField(null=True)
    address = models.TextField(default="")
    worker = models.TextField()

    objects = AttemptQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "events_attempt"

    def __str__(self) -> str:
        return f"{self.public_id} {self.outcome}"

    @property
    def public_id(self) -> str:
        return ids.encode(Prefix.ATTEMPT, self.id)
