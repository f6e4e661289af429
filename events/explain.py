"""Why a subscription gets an event, or does not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from events.models import Event, Subscription
from events.rules import filters, patterns
from events.rules.filters import Facts, NoMatch


class Kind(StrEnum):
    MATCH = "match"
    FILTER = "filter"
    LATER = "created_later"
    CHANGED = "changed_since"
    PATTERN = "pattern"
    TENANT = "tenant"


NEARNESS = [Kind.FILTER, Kind.CHANGED, Kind.LATER, Kind.PATTERN, Kind.TENANT, Kind.MATCH]
"""How near a miss was, nearest first."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`words` is a sentence for a person."""

    kind: Kind
    words: str

    @property
    def matches(self) -> bool:
        return self.kind is Kind.MATCH


def explain(event: Event, subscription: Subscription, *, facts: Facts) -> Explanation:
    """Whether the subscription as it is now would get this event; `facts` are the event's."""
    if subscription.tenant not in (None, event.tenant):
        whose = f"tenant {event.tenant}" if event.tenant else "no tenant"
        words = f"It gets events of tenant {subscription.tenant} only, and this one is of {whose}."
        return Explanation(Kind.TENANT, words)
    covering = [one for one in subscription.types if patterns.matches(one, event.type)]
    if not covering:
        words = f"None of its patterns covers {event.type}: {', '.join(subscription.types[:5])}."
        return Explanation(Kind.PATTERN, words)
    if subscription.filter:
        result = filters.evaluate(filters.compile_filter(subscription.filter), facts)
        if isinstance(result, NoMatch):
            return _filtered(result.reason)
    return Explanation(Kind.MATCH, f"The pattern {covering[0]} covers {event.type}.")


def why_not(event: Event, subscription: Subscription, *, facts: Facts) -> Explanation:
    """Why a subscription without a delivery of this event has none.

    What was noted when the event was accepted counts before what would be the case now.
    """
    if subscription.created_at > event.received_at:
        return Explanation(Kind.LATER, "It was created after the event was accepted.")
    noted = event.misses.get(str(subscription.id))
    if noted is not None:
        return _filtered(noted)
    now = explain(event, subscription, facts=facts)
    if now.matches:
        words = "It would match now: it was changed after the event was accepted."
        return Explanation(Kind.CHANGED, words)
    return now


def _filtered(reason: str) -> Explanation:
    return Explanation(Kind.FILTER, f"Its filter does not let the event through: {reason}.")
