"""Where events that were picked can be sent again: those that they were owed to come first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from events.console.inputs import decoded_or_none
from events.console.named import subscriptions_of
from events.models import Delivery, Event, Subscription
from events.rules.ids import Prefix

MOST = 50

Choice = tuple[str, str]


def offered(texts: str) -> list[tuple[str, str | Sequence[Choice]]]:
    """Choices of a select for the ids of a form; empty where it is not about one event."""
    event = decoded_or_none(Prefix.EVENT, texts)
    row = Event.objects.filter(id=event).only("id", "tenant").first() if event else None
    if row is None:
        return []
    owed = Delivery.objects.of_event(row.id).values_list("subscription", flat=True)
    known = [one for one in subscriptions_of(owed[:MOST]).values() if one.deleted_at is None]
    others = Subscription.objects.getting(row.tenant).exclude(id__in=[one.id for one in known])
    groups: dict[str, list[Choice]] = {
        "It was owed to": _choices(known),
        "Others": _choices(others.order_by("-id")[:MOST]),
    }
    found = [(name, choices) for name, choices in groups.items() if choices]
    return [("", "choose where to send it"), *found] if found else []


def _choices(rows: Iterable[Subscription]) -> list[Choice]:
    return sorted(((row.public_id, str(row)) for row in rows), key=lambda choice: choice[1])
