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

LEARNING_SLOWER = 0.02
"""The same for one that is a sign of overload: after some fifty of them it is none any more."""

WORTH_NOTING = 5.0
"""Milliseconds below which a slower answer says nothing about the endpoint."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many sends may be in flight, and the endpoint's usual answer time in milliseconds."""

    value: int
    usual_ms: float | None = None


def adapt(limit: Limit, *, cap: int, failed: bool, median_ms: float) -> Limit:
    """The limit after a batch: between 1 and `cap`, `failed` if any send of it did.

    Slow answers are learnt as well, slowly: an endpoint that stays slower is usual after a while,
    or its lane would be one wide for ever. Those of failures say nothing, and are not learnt.
    """
    usual = limit.usual_ms
    if failed:
        return replace(limit, value=_less(limit.value, cap))
    if usual is None:
        return Limit(value=_more(limit.value, cap), usual_ms=median_ms)
    if median_ms > max(usual * SLOWER, usual + WORTH_NOTING):
        learnt = usual + (median_ms - usual) * LEARNING_SLOWER
        return Limit(value=_less(limit.value, cap), usual_ms=learnt)
    return Limit(value=_more(limit.value, cap), usual_ms=usual + (median_ms - usual) * LEARNING)


def _more(value: int, cap: int) -> int:
    return max(1, min(value + 1, cap))


def _less(value: int, cap: int) -> int:
    return max(1, min(int(value * BACK_OFF), cap))
