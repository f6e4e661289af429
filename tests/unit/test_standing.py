from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.rules.breaker import Breaker
from events.rules.health import Health, Standing, standing
from events.rules.states import BreakerState, SubscriptionState

BEGAN = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
OPENED = datetime(2026, 2, 4, tzinfo=UTC)


def health_of(breaker: Breaker, state: SubscriptionState = SubscriptionState.ACTIVE) -> Standing:
    return standing(state, breaker, since=BEGAN, reason="said by a person")


def opened(state: BreakerState, failures: int) -> Breaker:
    return Breaker(state=state, failures=failures, opened_at=OPENED, opened_times=1)


def test_an_active_one_with_a_closed_breaker_is_healthy_also_on_its_ramp() -> None:
    assert health_of(Breaker()) == Standing(Health.HEALTHY)
    assert health_of(Breaker(failures=4)) == Standing(Health.HEALTHY)
    ramping = health_of(Breaker(ramp=4))
    assert (ramping.health, ramping.reason) == (
        Health.HEALTHY,
        "its lane ramps up, 4 at once for now",
    )


@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_one_whose_breaker_is_not_closed_is_failing_since_it_opened(state: BreakerState) -> None:
    found = health_of(opened(state, failures=5))
    assert (found.health, found.since) == (Health.FAILING, OPENED)
    assert found.reason.endswith(", after 5 failures in a row")


def test_no_failures_are_told_of_a_breaker_that_a_person_opened() -> None:
    assert health_of(opened(BreakerState.OPEN, failures=0)).reason == "its breaker is open"


@pytest.mark.parametrize("state", [SubscriptionState.PAUSED, SubscriptionState.DISABLED])
def test_what_somebody_did_says_more_than_the_breaker(state: SubscriptionState) -> None:
    found = health_of(opened(BreakerState.OPEN, failures=5), state)
    assert found == Standing(Health(state), BEGAN, "said by a person")
