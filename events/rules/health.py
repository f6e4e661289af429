"""The health of a subscription in one word: what its state and its breaker add up to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from events.rules.breaker import Breaker
from events.rules.states import BreakerState, SubscriptionState


class Health(StrEnum):
    HEALTHY = "healthy"
    FAILING = "failing"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Standing:
    """`since` is None while it is healthy: how long it was is not kept. `reason` may be empty."""

    health: Health
    since: datetime | None = None
    reason: str = ""


def standing(
    state: SubscriptionState, breaker: Breaker, *, since: datetime, reason: str
) -> Standing:
    """What somebody did, or Redrive gave up, says more than the breaker does.

    `since` and `reason` are those of the state.
    """
    match state:
        case SubscriptionState.PAUSED:
            return Standing(Health.PAUSED, since, reason)
        case SubscriptionState.DISABLED:
            return Standing(Health.DISABLED, since, reason)
        case SubscriptionState.ACTIVE:
            return _of_breaker(breaker)
        case _:
            assert_never(state)


def _of_breaker(breaker: Breaker) -> Standing:
    match breaker.state:
        case BreakerState.CLOSED if breaker.ramp is None:
            return Standing(Health.HEALTHY)
        case BreakerState.CLOSED:
            words = f"its lane ramps up, {breaker.ramp} at once for now"
            return Standing(Health.HEALTHY, reason=words)
        case BreakerState.OPEN:
            words = "its breaker is open"
        case BreakerState.HALF_OPEN:
            words = "its breaker is half-open, one delivery probes the endpoint"
        case _:
            assert_never(breaker.state)
    if breaker.failures:
        words += f", after {breaker.failures} failures in a row"
    return Standing(Health.FAILING, breaker.opened_at, words)
