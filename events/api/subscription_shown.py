"""How a subscription is shown over REST: without credentials, header values or secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from events import vault
from events.api.inputs import SubscriptionId
from events.models import Lane, Secret, Subscription
from events.rules import signing
from events.rules.health import standing
from events.rules.states import SubscriptionState


class BreakerShown(BaseModel):
    """The gate of its lane. `ramp` and `limit` narrow it below `max_concurrency`."""

    state: str
    failures: int
    opened_at: datetime | None
    retry_at: datetime | None
    ramp: int | None
    limit: int | None

    @classmethod
    def of(cls, lane: Lane) -> Self:
        return cls(**{name: getattr(lane, name) for name in cls.model_fields})


class HealthShown(BaseModel):
    """`since` is null while it is healthy."""

    health: Literal["healthy", "failing", "paused", "disabled"]
    since: datetime | None
    reason: str

    @classmethod
    def of(cls, row: Subscription) -> Self:
        found = standing(
            SubscriptionState(row.state),
            row.lane.breaker,
            since=row.state_since,
            reason=row.state_reason,
        )
        return cls(health=found.health.value, since=found.since, reason=found.reason)


class SigningKey(BaseModel):
    """A key that signs now; for Ed25519 the public half verifies."""

    algorithm: Literal["hmac", "ed25519", "unreadable"]
    public_key: str | None
    created_at: datetime
    expires_at: datetime | None

    @classmethod
    def of(cls, row: Secret) -> Self:
        algorithm, public = _kind_of(row)
        return cls(
            algorithm=algorithm,
            public_key=public,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


class SubscriptionShown(BaseModel):
    """Times are in seconds; of headers only the names are shown, of credentials nothing."""

    id: SubscriptionId
    name: str
    url: str
    types: list[str]
    filter: str
    tenant: str | None
    state: str = Field(description="active, paused or disabled.")
    state_reason: str
    state_by: str
    state_since: datetime
    resume_at: datetime | None
    schedule: list[float]
    timeout: float
    max_concurrency: int
    rate_limit: float | None
    adaptive: bool
    ordered: bool
    headers: list[str]
    authentication: str
    format: str
    created_at: datetime
    updated_at: datetime
    health: HealthShown
    breaker: BreakerShown
    signing_keys: list[SigningKey] = Field(description="The keys that sign now, the newest first.")

    @classmethod
    def of(cls, row: Subscription) -> Self:
        return cls(**plain(row))


class SubscriptionMade(SubscriptionShown):
    secret: str = Field(description="The new signing secret. It is shown this once.")


def plain(row: Subscription) -> dict[str, Any]:
    """The fields of SubscriptionShown."""
    other = {
        "headers": sorted(row.headers),
        "health": HealthShown.of(row),
        "breaker": BreakerShown.of(row.lane),
        "signing_keys": [SigningKey.of(secret) for secret in row.secrets.all()],
    }
    same = SubscriptionShown.model_fields.keys() - other.keys()
    return {name: getattr(row, name) for name in same} | other


def _kind_of(row: Secret) -> tuple[Literal["hmac", "ed25519", "unreadable"], str | None]:
    try:
        secret = vault.decrypt(row.encrypted)
    except vault.Unreadable:
        return "unreadable", None
    if secret.startswith(signing.PRIVATE):
        return "ed25519", signing.public_key(secret)
    return "hmac", None
