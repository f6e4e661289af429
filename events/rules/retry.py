"""When a failed delivery is tried again: its subscription's schedule, jitter and Retry-After."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h, 10 h: nine attempts over some 18 hours.
DEFAULT_SCHEDULE: tuple[float, ...] = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000)

MAX_STEPS = 30
SHORTEST_STEP = 0.1
LONGEST_STEP = 7 * 86_400.0
LONGEST_RETRY_AFTER = timedelta(hours=24)

# Longer than any HTTP-date; what is longer is junk, and is not worth parsing.
_LONGEST_DATE = 64


def check_schedule(values: Sequence[float]) -> str | None:
    """Say what is wrong with a schedule (seconds a step; empty: no retries); None if it is good."""
    if len(values) > MAX_STEPS:
        return f"A schedule has at most {MAX_STEPS} steps, and this one has {len(values)}."
    for number, seconds in enumerate(values, start=1):
        # Written so that NaN fails too.
        if not SHORTEST_STEP <= seconds <= LONGEST_STEP:
            return f"Step {number} must be between 0.1 seconds and 7 days."
    return None


def parse_retry_after(value: str | None, now: datetime) -> datetime | None:
    """The moment a Retry-After header names (RFC 9110, 10.2.3); None when absent, past or junk.

    A number of seconds over 24 hours counts as 24 hours.
    """
    text = (value or "").strip()
    at = _after_seconds(text, now) if _is_digits(text) else _http_date(text)
    return at if at is not None and at > now else None


def next_due(
    schedule: Sequence[float],
    *,
    attempts: int,
    now: datetime,
    jitter: float,
    retry_after: datetime | None = None,
) -> datetime | None:
    """When to try again after `attempts` tries (this one included, so at least 1); None when spent.

    Step n follows attempt n, so eight steps make nine attempts. `jitter` in [0, 1) spreads the step
    over ±20 %: step * (0.8 + 0.4 * jitter). Retry-After only puts it off, to 24 h from now at most.
    """
    if attempts > len(schedule):
        return None
    own = now + timedelta(seconds=schedule[attempts - 1] * (0.8 + 0.4 * jitter))
    if retry_after is None:
        return own
    return max(own, min(retry_after, now + LONGEST_RETRY_AFTER))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _after_seconds(digits: str, now: datetime) -> datetime:
    # Ten significant digits already exceed the limit; int() refuses more than 4,300 of them.
    seconds = int(digits.lstrip("0")[:10] or "0")
    return now + min(timedelta(seconds=seconds), LONGEST_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    if not text or len(text) > _LONGEST_DATE:
        return None
    try:
        at = parsedate_to_datetime(text)
        # The asctime form carries no zone, and HTTP-dates are always GMT.
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
