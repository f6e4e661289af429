"""Fan-out beyond a thousand: a durable marker, expanded once, wherever it is resumed."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import DatabaseError, connection

from events import operate
from events.engine import fanout
from events.models import Epoch, Event, FanOut, OwedDelivery, Subscription
from events.publish import FAN_OUT_AT_ONCE, Accepted, publish
from events.uuids import new_uuid
from tests import laws, make
from tests.faults import cut, together

pytestmark = pytest.mark.usefixtures("lawful")

MANY = 2_100


@pytest.fixture
def crowd(transactional_db: None) -> list[UUID]:
    """More subscriptions to everything than one publish fans out to, one of them ordered."""
    ids = sorted(new_uuid() for _ in range(MANY))
    Subscription.objects.bulk_create(
        Subscription(id=one, url=make.NOWHERE, types=["**"], ordered=one == ids[-1]) for one in ids
    )
    return ids


def published() -> UUID:
    event = make.event(ordering_key="k")
    assert publish([event], identity_ttl=60.0) == [Accepted(event.id, MANY)]
    return event.id


def owed() -> list[UUID]:
    return sorted(OwedDelivery.objects.values_list("subscription", flat=True))


def test_a_thousand_the_ordered_first_are_owed_at_once_and_the_rest_is_marked(
    crowd: list[UUID],
) -> None:
    event = published()
    # A later event that few want is owed at once too, and must not overtake this one.
    *unordered, ordered = crowd
    assert owed() == [*unordered[: FAN_OUT_AT_ONCE - 1], ordered]
    assert FanOut.objects.get(event=event).remaining == unordered[FAN_OUT_AT_ONCE - 1 :]
    assert Event.objects.get().matched == MANY


def test_a_worker_expands_the_rest(crowd: list[UUID]) -> None:
    published()
    assert fanout.expand_all() == 1
    assert owed() == crowd
    assert FanOut.objects.count() == 0
    event, last = Event.objects.get(), OwedDelivery.objects.get(subscription=crowd[-1])
    assert last.ordering_key == "k"
    # Its place in an order is the event's, not that of the expansion.
    assert last.created_at == event.received_at
    assert OwedDelivery.objects.exclude(ordering_key=None).count() == 1


def test_workers_at_once_expand_it_once(crowd: list[UUID]) -> None:
    published()
    together([fanout.expand_all] * 4)
    fanout.expand_all()
    assert owed() == crowd


def test_a_worker_killed_in_the_middle_leaves_what_it_made_and_the_rest(crowd: list[UUID]) -> None:
    published()
    seen = set()
    for at in range(1, 20):
        try:
            with cut(before=at) if at % 2 else cut(after=at // 2):
                fanout.expand_all()
        except DatabaseError:
            laws.hold()
            seen.add(OwedDelivery.objects.count())
        if not FanOut.objects.exists():
            break
    assert owed() == crowd
    assert 2_000 in seen


def test_a_subscription_deleted_meanwhile_is_left_out(crowd: list[UUID]) -> None:
    published()
    *before, gone, ordered = crowd
    operate.delete_subscription(actor=make.ACTOR, subscription=gone)
    fanout.expand_all()
    assert owed() == [*before, ordered]
    # What was matched at commit is more than what came of it, and the event says what was matched.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_event SET matched = matched - 1")


def test_a_subscription_made_meanwhile_does_not_join(crowd: list[UUID]) -> None:
    published()
    before = Epoch.objects.get().value
    late = make.subscription()
    assert Epoch.objects.get().value > before
    fanout.expand_all()
    assert late.id not in owed()
