"""Why an event did or did not arrive: its timeline as sentences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Count

from events.console.inputs import decoded_or_none
from events.console.steps import Step, step_of
from events.explain import Explanation, Kind, explain
from events.matching import facts_of
from events.models import ApiKey, Delivery, Event, Subscription
from events.rules.filters import Facts
from events.rules.ids import Prefix
from events.rules.readings import values_read
from events.rules.states import DeliveryState
from events.timeline import Life, Miss, Timeline, missed, timeline

COUNTED = 2_000
"""Deliveries of a page of events that are counted by state; a wide fan-out is only linked."""

_ORDER = [
    DeliveryState.DEAD,
    DeliveryState.PENDING,
    DeliveryState.IN_FLIGHT,
    DeliveryState.CANCELLED,
    DeliveryState.DELIVERED,
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """An event with its deliveries by state; None where there are too many to count."""

    row: Event
    states: Sequence[tuple[DeliveryState, int]] | None


@dataclass(frozen=True, slots=True)
class Line:
    """One delivery of the event, and what it waits for."""

    life: Life
    step: Step | None


@dataclass(frozen=True, slots=True)
class Story:
    """`verdict` is the page's first sentence; `worst` the state that colours it."""

    timeline: Timeline
    producer: ApiKey | None
    lines: Sequence[Line]
    verdict: str
    worst: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a subscription that somebody asked about would do with the event now."""

    to: Subscription
    why: Explanation


def with_outcomes(rows: Sequence[Event]) -> list[Outcome]:
    """One query for the page, unless somebody's fan-out is too wide to count."""
    if sum(row.matched for row in rows) > COUNTED or not rows:
        return [Outcome(row, None) for row in rows]
    events = [row.id for row in rows]
    found = Delivery.objects.of_events(events)
    counted = found.values_list("event", "state").annotate(n=Count("id")).order_by()
    by_event: dict[UUID, Counter[str]] = defaultdict(Counter)
    for event, state, n in counted:
        by_event[event][state] = n
    return [Outcome(row, _in_order(by_event[row.id])) for row in rows]


def story_of(row: Event, *, values: bool) -> Story:
    """Everything that is known of one event; `values` is whether its data may be shown."""
    found = timeline(row, tenant=None)
    if values:
        found = replace(found, misses=_all_with_values(row, found.misses))
    states = _in_order(Counter(life.delivery.state for life in found.lives))
    return Story(
        timeline=found,
        producer=ApiKey.objects.filter(id=row.producer).first() if row.producer else None,
        lines=[Line(life, step_of(life.wait)) for life in found.lives],
        verdict=_verdict(row, found, states),
        worst=str(states[0][0]) if states else "unknown",
    )


def missed_by(row: Event, subscriptions: Sequence[Subscription], *, values: bool) -> Sequence[Miss]:
    """Why some subscriptions did not get the event; `values` as for its story."""
    found = missed(row, subscriptions)
    return _all_with_values(row, found) if values else found


def asked(row: Event, subscription: str, *, values: bool) -> Answer | None:
    """Asks a subscription as it is now: the rule that fails first, and the values it met."""
    wanted = decoded_or_none(Prefix.SUBSCRIPTION, subscription)
    to = Subscription.objects.filter(id=wanted).first() if wanted else None
    if to is None:
        return None
    facts = _facts_of(row)
    miss = Miss(to, explain(row, to, facts=facts))
    found = (_with_values(miss, facts) if values else miss).why
    rule = f" The filter is: {to.filter}" if found.kind is Kind.FILTER else ""
    return Answer(to, replace(found, words=f"{found.words}{rule}"))


def _all_with_values(row: Event, misses: Sequence[Miss]) -> list[Miss]:
    facts = _facts_of(row)
    return [_with_values(miss, facts) for miss in misses]


def _with_values(miss: Miss, facts: Facts) -> Miss:
    """A filter that failed also says what it read."""
    if miss.why.kind is not Kind.FILTER or not miss.subscription.filter:
        return miss
    read = values_read(miss.subscription.filter, facts)
    if not read:
        return miss
    told = ", ".join(f"{name} is {value}" for name, value in read.items())
    return replace(miss, why=replace(miss.why, words=f"{miss.why.words} Here {told}."))


def _facts_of(row: Event) -> Facts:
    return facts_of(row)  # type: ignore[arg-type]  # a stored event's data may be a memoryview


def _verdict(row: Event, found: Timeline, states: Sequence[tuple[DeliveryState, int]]) -> str:
    if not found.lives and not found.expanding:
        return "Nobody got it: no subscription matched when it was accepted."
    count = dict(states)
    some = f"Of the first {len(found.lives):,}: " if found.more else ""
    if set(count) == {DeliveryState.DELIVERED} and not found.expanding:
        places = "to 1 subscription" if len(found.lives) == 1 else f"to all {row.matched:,}"
        return f"{some}It arrived{'' if found.more else f' {places}'}."
    words = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in states)
    rest = f"; {found.expanding:,} more are being made" if found.expanding else ""
    return f"{some}{words}{rest}."


def _in_order(count: Counter[str]) -> list[tuple[DeliveryState, int]]:
    return [(state, count[state]) for state in _ORDER if count[state]]
