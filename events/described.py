"""What the audit log keeps of the things that people act on: no credential and no header value."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import TextField
from django.db.models.functions import Cast

from events.models import OwedDelivery, Subscription
from events.rules.breaker import Breaker


def subscription(row: Subscription) -> dict[str, Any]:
    return {
        "name": row.name,
        "url": row.url,
        "types": row.types,
        "filter": row.filter,
        "tenant": row.tenant,
        "state": row.state,
        "reason": row.state_reason,
        "resume_at": row.resume_at and row.resume_at.isoformat(),
        "schedule": row.schedule,
        "timeout": row.timeout,
        "max_concurrency": row.max_concurrency,
        "adaptive": row.adaptive,
        "rate_limit": row.rate_limit,
        "ordered": row.ordered,
        "headers": sorted(row.headers),
        "authentication": row.authentication,
        "format": row.format,
    }


def breaker(row: Breaker) -> dict[str, Any]:
    return {
        "state": row.state,
        "failures": row.failures,
        "opened_times": row.opened_times,
        "retry_at": row.retry_at and row.retry_at.isoformat(),
        "ramp": row.ramp,
    }


def held_delivery(delivery: UUID) -> dict[str, Any] | None:
    """An owed delivery as it is, held; None if it is not owed. A test is due at `infinity`."""
    held = OwedDelivery.objects.select_for_update().filter(id=delivery)
    return held.annotate(due=Cast("due_at", TextField())).values("state", "attempts", "due").first()
