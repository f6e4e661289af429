"""What a batch of results does to the gates of its lanes: breakers, and endpoints that are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from events import operate
from events.models import Lane, Subscription
from events.models.subscription import REDRIVE
from events.rules import breaker as rule
from events.rules.adaptive import Limit, adapt
from events.rules.breaker import Answer, BreakerPolicy
from events.rules.outcome import Fault, Outcome, fault
from events.rules.verdict import Decision, Gone


def policy() -> BreakerPolicy:
    return BreakerPolicy(open_for=settings.REDRIVE_BREAKER_OPEN)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one result says about its lane."""

    subscription: UUID
    outcome: Outcome
    verdict: Decision
    milliseconds: float
    probe: bool
    opened_times: int

    @property
    def answer(self) -> Answer:
        return Answer(fault(self.outcome), probe=self.probe, opened_times=self.opened_times)


def advance_lanes(results: Sequence[Seen], *, unsettled: AbstractSet[UUID]) -> None:
    """Advances each lane's gate once for the whole batch, in the caller's transaction.

    A lane that is closed and has no failure on its record is left alone by a batch of successes:
    a busy healthy endpoint must not queue for its own row. Rows are held in the order of their
    ids, after the deliveries.
    """
    disable_gone(results)
    by_lane: dict[UUID, list[Seen]] = {}
    for result in results:
        by_lane.setdefault(result.subscription, []).append(result)
    wanted = [lane for lane, seen in by_lane.items() if lane in unsettled or _any_failed(seen)]
    if not wanted:
        return
    held = Lane.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=wanted)
    cap, adaptive = F("subscription__max_concurrency"), F("subscription__adaptive")
    for lane in held.annotate(at=Now(), cap=cap, adaptive=adaptive).order_by("pk"):
        seen = by_lane[lane.pk]
        tally = rule.tally(rule.heard(lane.breaker, [one.answer for one in seen]))
        after = rule.advance(lane.breaker, tally, now=lane.at, policy=policy(), cap=lane.cap)
        changes = Lane.columns_of(after) if after != lane.breaker else {}
        if _any_failed(seen):
            changes["failed_at"] = lane.at
        if lane.adaptive:
            changes |= _adapted(lane, seen, cap=lane.cap)
        if changes:
            Lane.objects.filter(pk=lane.pk).update(**changes)


def _any_failed(seen: Sequence[Seen]) -> bool:
    return any(fault(one.outcome) is Fault.ENDPOINT for one in seen)


def _adapted(lane: Lane, seen: Sequence[Seen], *, cap: int) -> dict[str, Any]:
    limit = adapt(
        Limit(lane.limit or cap, lane.usual_ms),
        cap=cap,
        failed=_any_failed(seen),
        median_ms=median(one.milliseconds for one in seen),
    )
    return {"limit": limit.value, "usual_ms": limit.usual_ms}


def disable_gone(results: Iterable[Seen]) -> None:
    """Disables at once, paused or not, those whose endpoint said that it will never be back."""
    gone = {
        one.subscription: one.verdict.reason for one in results if isinstance(one.verdict, Gone)
    }
    for subscription in sorted(gone):
        with suppress(Subscription.DoesNotExist):
            operate.disable(
                actor=REDRIVE,
                subscription=subscription,
                reason=gone[subscription],
                among=Subscription.objects.not_disabled(),
            )
