"""Subscriptions, their secrets, and the gate in front of each one's lane."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.rules import ids, retry
from events.rules.breaker import Breaker
from events.rules.ids import Prefix
from events.rules.states import BreakerState, SubscriptionState

REDRIVE = "redrive"
"""The actor of what nobody asked for."""

PROBE_EVERY = timedelta(days=1)
BREAKER_COLUMNS = [field.name for field in fields(Breaker)]


def _default_schedule() -> list[float]:
    return list(retry.DEFAULT_SCHEDULE)


class Authentication(models.TextChoices):
    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"


class Format(models.TextChoices):
    BINARY = "binary"
    STRUCTURED = "structured"


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """A deleted subscription keeps its row, because its deliveries and attempts name it."""

    def existing(self) -> Self:
        return self.filter(deleted_at__isnull=True)

    def seen_by(self, tenant: str | None) -> Self:
        """A key of one tenant sees that tenant's subscriptions only."""
        return self.existing() if tenant is None else self.existing().filter(tenant=tenant)

    def getting(self, tenant: str | None) -> Self:
        """Those that may get events of a tenant: its own, and the operators' taps."""
        return self.existing().filter(Q(tenant=None) | Q(tenant=tenant))

    def flowing(self) -> Self:
        """Those whose lanes hand out what is due."""
        return self.filter(state=SubscriptionState.ACTIVE, lane__state=BreakerState.CLOSED)

    def given_up(self) -> Self:
        """Disabled by us, because the endpoint is gone or failed for days; not by a person."""
        return self.existing().filter(state=SubscriptionState.DISABLED, state_by=REDRIVE)

    def not_disabled(self) -> Self:
        return self.existing().exclude(state=SubscriptionState.DISABLED)

    def untried(self, *, for_time: timedelta = timedelta()) -> Self:
        """Active, with a breaker whose time has been over for so long, and nothing to try it."""
        over = Now() - for_time
        idle = Q(lane__state=BreakerState.OPEN, lane__retry_at__lt=over) | Q(
            lane__state=BreakerState.HALF_OPEN, lane__probe_until__lt=over
        )
        return self.existing().filter(idle, state=SubscriptionState.ACTIVE)

    def failing(self, *, for_time: timedelta) -> Self:
        """Active and not closed for so long, and a try has failed within a day.

        What was opened by hand, paused meanwhile or has no traffic is not failing by that alone.
        """
        since = Now() - for_time
        return self.existing().filter(
            state=SubscriptionState.ACTIVE,
            state_since__lt=since,
            lane__opened_at__lt=since,
            lane__failed_at__gt=Now() - PROBE_EVERY,
        )

    def due_to_probe(self) -> Self:
        """Given up, or parked and idle, and not tried for a day: the endpoint may be back."""
        rested = Q(probed_at=None) | Q(probed_at__lt=Now() - PROBE_EVERY)
        given_up = self.given_up().filter(rested, state_since__lt=Now() - PROBE_EVERY)
        idle = self.untried(for_time=PROBE_EVERY).filter(rested)
        return self.filter(Q(id__in=given_up.values("id")) | Q(id__in=idle.values("id")))

    def due_to_resume(self) -> Self:
        return self.existing().filter(state=SubscriptionState.PAUSED, resume_at__lte=Now())


class Subscription(models.Model):
    """Where events go, and how.

    Times are in seconds. `types` are patterns (rules/patterns), `filter` is CEL (rules/filters),
    The values of `headers` and `credentials` are encrypted; the latter are `user:password` for
    basic, the token for bearer.
    """

    id = models.UUIDField(primary_key=True)
    name = models.TextField(default="", blank=True)
    url = models.TextField()
    types = ArrayField(models.TextField())
    filter = models.TextField(default="", blank=True)
    tenant = models.TextField(null=True, blank=True)  # noqa: DJ001 - null is an operator's tap
    state = models.TextField(
        choices=[(s, s) for s in SubscriptionState], default=SubscriptionState.ACTIVE
    )
    state_reason = models.TextField(default="", blank=True)
    state_by = models.TextField(default="", blank=True)
    state_since = models.DateTimeField(db_default=Now())
    resume_at = models.DateTimeField(null=True, blank=True)
    probed_at = models.DateTimeField(null=True)
    schedule = ArrayField(models.FloatField(), default=_default_schedule)
    timeout = models.FloatField(default=15.0)
    max_concurrency = models.PositiveIntegerField(default=10)
    rate_limit = models.FloatField(null=True, blank=True)
    adaptive = models.BooleanField(default=False)
    ordered = models.BooleanField(default=False)
    headers = models.JSONField(default=dict)
    authentication = models.TextField(choices=Authentication, default=Authentication.NONE)
    credentials = models.TextField(default="", blank=True)
    format = models.TextField(choices=Format, default=Format.BINARY)
    version = models.BigIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index("tenant", "id", condition=Q(deleted_at=None), name="subscription_tenant"),
            models.Index("resume_at", condition=Q(state="paused"), name="subscription_resume"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=list(SubscriptionState)), name="subscription_state"
            ),
            models.CheckConstraint(
                condition=Q(timeout__gt=0, timeout__lte=120), name="subscription_timeout"
            ),
            models.CheckConstraint(
                condition=Q(max_concurrency__gte=1, max_concurrency__lte=10_000),
                name="subscription_concurrency",
            ),
            models.CheckConstraint(
                condition=Q(rate_limit=None) | Q(rate_limit__gt=0), name="subscription_rate"
            ),
            models.CheckConstraint(
                condition=Q(resume_at=None) | Q(state=SubscriptionState.PAUSED),
                name="subscription_resumes_only_from_pause",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.url

    @property
    def public_id(self) -> str:
        return ids.encode(Prefix.SUBSCRIPTION, self.id)


class Secret(models.Model):
    """One signing key of a subscription; during a rotation two of them sign."""

    id = models.UUIDField(primary_key=True)
    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="secrets")
    encrypted = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index("subscription", "created_at", name="secret_subscription")]

    def __str__(self) -> str:
        return f"secret of {self.subscription_id}"


class Lane(models.Model):
    """The gate of one subscription's lane: breaker, ramp and token bucket.

    Apart from the subscription, because it moves while that rests. Whoever claims from the lane
    holds this row, so the concurrency cap, the tokens and the probe are exact with any number of
    workers. `weight` is its tenant's, `failed_at` when the endpoint failed last. `probe_until` and
    the window are those of rules/breaker.
    """

    subscription = models.OneToOneField(Subscription, models.CASCADE, primary_key=True)
    state = models.TextField(choices=[(s, s) for s in BreakerState], default=BreakerState.CLOSED)
    failures = models.IntegerField(default=0)
    window_started = models.DateTimeField(null=True)
    window_total = models.IntegerField(default=0)
    window_failures = models.IntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    opened_times = models.IntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    probe_until = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    ramp = models.IntegerField(null=True)
    limit = models.IntegerField(null=True)
    usual_ms = models.FloatField(null=True)
    weight = models.SmallIntegerField(default=1)
    tokens = models.FloatField(default=0)
    tokens_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("state", condition=~Q(state=BreakerState.CLOSED), name="lane_not_closed"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=list(BreakerState)), name="lane_state"),
            models.CheckConstraint(
                condition=~Q(state=BreakerState.OPEN) | Q(retry_at__isnull=False),
                name="lane_open_has_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(state=BreakerState.HALF_OPEN) | Q(probe_until__isnull=False),
                name="lane_half_open_has_a_deadline",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} {self.state}"

    @property
    def breaker(self) -> Breaker:
        """The breaker as the rules know it."""
        return Breaker(**{name: getattr(self, name) for name in BREAKER_COLUMNS})

    @staticmethod
    def columns_of(breaker: Breaker) -> dict[str, Any]:
        """What to update this row with, so that it holds `breaker`."""
        return {name: getattr(breaker, name) for name in BREAKER_COLUMNS}


class Epoch(models.Model):
    """One row, moved by a trigger on every change of a subscription.

    A publish that matched against an older epoch matches again, so a subscription whose creation
    was answered before a publish began always gets the event.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    value = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="epoch_is_one_row")]

    def __str__(self) -> str:
        return str(self.value)
