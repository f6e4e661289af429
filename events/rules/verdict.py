"""What we decide after an attempt: delivered, retry at T, dead because R, or endpoint gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from events.rules.outcome import Fault, Outcome, Responded, error_of, fault, succeeded
from events.rules.retry import next_due, parse_retry_after


@dataclass(frozen=True, slots=True)
class Policy:
    """The subscription's retry schedule: seconds to wait after attempt 1, 2, 3 and so on."""

    schedule: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    pass


@dataclass(frozen=True, slots=True)
class RetryAt:
    at: datetime


@dataclass(frozen=True, slots=True)
class Dead:
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The endpoint says it is gone for good: the delivery dies, its subscription is disabled."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A test that failed: it is neither retried nor a dead letter."""

    reason: str


Verdict = Delivered | RetryAt | Dead | Gone
Decision = Verdict | Dropped

_GONE = 410
_RETRY_AFTER_STATUSES = frozenset({429, 503})


def judge(
    outcome: Outcome, policy: Policy, *, attempts: int, now: datetime, jitter: float
) -> Verdict:
    """Decide what becomes of a delivery after its `attempts`-th try (this one included).

    Every failure but 410 is retried while the schedule lasts, redirects too: they are not followed.
    `jitter` is a number in [0, 1). Retry-After is heard on 429 and 503 only.
    """
    match outcome:
        case Responded(status) if succeeded(status):
            return Delivered()
        case Responded(status) if status == _GONE:
            return Gone("the endpoint answered 410 Gone")
        case _:
            asked = _asked_to_wait(outcome, now)
    at = next_due(policy.schedule, attempts=attempts, now=now, jitter=jitter, retry_after=asked)
    return Dead(_last_words(outcome, attempts)) if at is None else RetryAt(at)


def _asked_to_wait(outcome: Outcome, now: datetime) -> datetime | None:
    match outcome:
        case Responded(status, retry_after) if status in _RETRY_AFTER_STATUSES:
            return parse_retry_after(retry_after, now)
        case _:
            return None


def _last_words(outcome: Outcome, attempts: int) -> str:
    error, only = error_of(outcome), attempts == 1
    if fault(outcome) is Fault.EVENT:
        tries = "the only attempt was" if only else f"{attempts} attempts, the last"
        return f"poison: {tries} refused for its content with {error}"
    if only:
        return f"the only attempt failed with {error}"
    return f"{attempts} attempts failed, the last with {error}"
