"""What came of one send, judged by the subscription's policy."""

from __future__ import annotations

import logging
import random
from uuid import UUID

from django.utils import timezone

from events.engine.claim import Claim
from events.engine.record import Result
from events.engine.transport import Sent
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.outcome import label
from events.rules.verdict import Delivered, Policy, judge

log = logging.getLogger(__name__)


def judged(attempt: UUID, claimed: Claim, sent: Sent, policy: Policy) -> Result:
    """The result to record, with a line in the log."""
    now = timezone.now()
    dice = random.random()  # noqa: S311 - spreads retries, guards nothing
    verdict = judge(sent.outcome, policy, attempts=claimed.attempts + 1, now=now, jitter=dice)
    result = Result(attempt, claimed, sent, verdict, now)
    # A line for each success costs at 5,000 a second: REDRIVE_LOG_LEVEL=DEBUG gives it.
    level = logging.DEBUG if isinstance(verdict, Delivered) else logging.INFO
    if log.isEnabledFor(level):
        _log(level, result)
    return result


def _log(level: int, result: Result) -> None:
    fields = {
        "delivery": ids.encode(Prefix.DELIVERY, result.claim.delivery),
        "subscription": ids.encode(Prefix.SUBSCRIPTION, result.claim.subscription),
        "outcome": label(result.sent.outcome),
        "verdict": type(result.verdict).__name__,
        "milliseconds": result.sent.total_ms,
    }
    log.log(level, "attempt", extra=fields)
