from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from events.rules.outcome import (
    Blocked,
    Outcome,
    Responded,
    TimedOut,
    TimeoutPhase,
    Unreachable,
    UnreachableKind,
)
from events.rules.retry import DEFAULT_SCHEDULE
from events.rules.verdict import Dead, Delivered, Gone, Policy, RetryAt, Verdict, judge

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
DEFAULT = Policy(DEFAULT_SCHEDULE)


def verdict_on(outcome: Outcome, *, attempts: int = 1, policy: Policy = DEFAULT) -> Verdict:
    return judge(outcome, policy, attempts=attempts, now=NOW, jitter=0.5)


def retry_in(seconds: float) -> RetryAt:
    return RetryAt(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_a_2xx_delivers_even_on_the_last_attempt(status: int) -> None:
    assert verdict_on(Responded(status)) == Delivered()
    assert verdict_on(Responded(status), attempts=9) == Delivered()


def test_410_is_gone_at_the_first_attempt() -> None:
    assert verdict_on(Responded(410)) == Gone("the endpoint answered 410 Gone")


@pytest.mark.parametrize(
    "outcome",
    [
        Responded(101),
        Responded(302),
        Responded(400),
        Responded(404),
        Responded(500),
        Responded(999),
        Unreachable(UnreachableKind.DNS, ""),
        Unreachable(UnreachableKind.RESOLVER, ""),
        TimedOut(TimeoutPhase.RESPONSE, ""),
        Blocked("private"),
    ],
)
def test_every_other_failure_is_retried_on_the_schedule(outcome: Outcome) -> None:
    assert verdict_on(outcome) == retry_in(5)
    assert verdict_on(outcome, attempts=8) == retry_in(36_000)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_heard_on_429_and_503(status: int) -> None:
    assert verdict_on(Responded(status, "60")) == retry_in(60)
    assert verdict_on(Responded(status, "junk")) == retry_in(5)
    assert verdict_on(Responded(status)) == retry_in(5)


@pytest.mark.parametrize("status", [302, 400, 408, 500, 502])
def test_retry_after_is_not_heard_on_other_answers(status: int) -> None:
    assert verdict_on(Responded(status, "60")) == retry_in(5)


def test_retry_after_does_not_prolong_a_spent_schedule() -> None:
    assert isinstance(verdict_on(Responded(503, "60"), attempts=9), Dead)


@pytest.mark.parametrize(
    ("outcome", "attempts", "policy", "reason"),
    [
        (
            Responded(503),
            9,
            DEFAULT,
            "9 attempts failed, the last with 503 Service Unavailable",
        ),
        (
            Unreachable(UnreachableKind.REFUSED, ""),
            2,
            Policy((1,)),
            "2 attempts failed, the last with connection refused",
        ),
        (Responded(500), 1, Policy(()), "the only attempt failed with 500 Internal Server Error"),
        (
            Responded(400),
            9,
            DEFAULT,
            "poison: 9 attempts, the last refused for its content with 400 Bad Request",
        ),
        (
            Responded(400),
            1,
            Policy(()),
            "poison: the only attempt was refused for its content with 400 Bad Request",
        ),
    ],
)
def test_a_dead_delivery_says_why_in_words(
    outcome: Outcome, attempts: int, policy: Policy, reason: str
) -> None:
    assert verdict_on(outcome, attempts=attempts, policy=policy) == Dead(reason)
