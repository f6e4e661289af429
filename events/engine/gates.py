"""What a batch of results does to the gates of its lanes: breakers, and endpoints that are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from events.models import Lane, Subscription
from events.rules import breaker as rule
from events.rules.breaker import BreakerPolicy
from events.rules.outcome import Fault, Outcome, fault
from events.rules.states import SubscriptionState
from events.rules.verdict import Gone, Verdict

POLICY = BreakerPolicy()


def advance_lanes(
    results: Sequence[tuple[UUID, Outcome, Verdict]], *, unsettled: AbstractSet[UUID]
) -> None:
    """Advances each lane's breaker once for the whole batch, in the caller's transaction.

    A lane that is closed and has no failure on its record is left alone by a batch of successes:
    a busy healthy endpoint must not queue for its own row. Rows are held in the order of their
    ids, after the deliveries.
    """
    disable_gone(results)
    faults: dict[UUID, list[Fault]] = {}
    for subscription, outcome, _ in results:
        faults.setdefault(subscription, []).append(fault(outcome))
    wanted = [s for s, seen in faults.items() if s in unsettled or Fault.ENDPOINT in seen]
    if not wanted:
        return
    held = Lane.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=wanted)
    at, cap = Now(), F("subscription__max_concurrency")
    for lane in held.annotate(at=at, cap=cap).order_by("pk"):
        before = lane.breaker
        tally = rule.tally(faults[lane.pk])
        after = rule.advance(before, tally, now=lane.at, policy=POLICY, cap=lane.cap)
        if after != before:
            Lane.objects.filter(pk=lane.pk).update(**Lane.columns_of(after))


def disable_gone(results: Iterable[tuple[UUID, Outcome, Verdict]]) -> None:
    """Disables at once the subscriptions whose endpoint said that it will never be back."""
    for subscription, _, verdict in results:
        if isinstance(verdict, Gone):
            Subscription.objects.filter(id=subscription, state=SubscriptionState.ACTIVE).update(
                state=SubscriptionState.DISABLED,
                state_reason=verdict.reason,
                state_by="redrive",
                state_since=Now(),
            )
