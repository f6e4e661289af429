"""Adaptive concurrency: how many sends an endpoint bears, found by trying (AIMD).

One more after a batch in which all went well, a third fewer after one in which something failed
or answers took twice as long as they usually do. See RFC 5681 for why this shares fairly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SLOWER = 2.0
"""How many times the usual answer time is a sign of overload."""

BACK_OFF = 2 / 3
LEARNING = 0.05
"""How much of a new answer time enters the usual one: about the last twenty batches."""

WORTH_NOTING = 5.0
"""Milliseconds below which a slower answer says nothing about the endpoint."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many sends may be in flight, and the endpoint's usual answer time in milliseconds."""

    value: int
    usual_ms: float | None = None


def adapt(limit: Limit, *, cap: int, failed: bool, median_ms: float) -> Limit:
    """The limit after a batch: between 1 and `cap`, `failed` if any send of it did."""
    usual = limit.usual_ms
    slow = usual is not None and median_ms > max(usual * SLOWER, usual + WORTH_NOTING)
    if failed or slow:
        return replace(limit, value=max(1, min(int(limit.value * BACK_OFF), cap)))
    learnt = median_ms if usual is None else usual + (median_ms - usual) * LEARNING
    return Limit(value=max(1, min(limit.value + 1, cap)), usual_ms=learnt)
