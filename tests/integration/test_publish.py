"""Publishing: the event and what it is owed, in one transaction, however many do so at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from events import operate
from events.models import Event, EventIdentity, OwedDelivery
from events.publish import (
    Accepted,
    Conflict,
    Duplicate,
    GuardConflict,
    Identity,
    NewEvent,
    Receipt,
    publish,
)
from events.uuids import new_uuid
from tests import make
from tests.faults import exchanges, together

pytestmark = pytest.mark.usefixtures("lawful")


def identified() -> Identity:
    return Identity(new_uuid(), new_uuid())


def one(event: NewEvent) -> Receipt:
    return publish([event], identity_ttl=60.0)[0]


def test_each_match_is_owed_once_and_nobody_else() -> None:
    wanted = {
        make.subscription(types=[pattern]).id
        for pattern in ("order.paid", "order.*", "order.**", "**")
    }
    make.subscription(types=["order", "order.paid.*", "shipment.**"])
    make.subscription(tenant="acme")
    event = make.event()
    assert one(event) == Accepted(event.id, 4)
    assert set(OwedDelivery.objects.values_list("subscription", flat=True)) == wanted


def test_a_subscription_with_several_matching_patterns_is_owed_once() -> None:
    make.subscription(types=["order.paid", "order.*", "**"])
    assert one(make.event()) == Accepted(Event.objects.get().id, 1)


def test_a_filter_decides_and_its_reason_is_kept() -> None:
    yes = make.subscription(filter="data.total > 5")
    no = make.subscription(filter="data.total > 500")
    broken = make.subscription(filter="data.nothing.at.all")
    one(make.event(data=b'{"total": 10}', datacontenttype="application/json"))
    event = Event.objects.get()
    assert OwedDelivery.objects.get().subscription == yes.id
    assert event.matched == 1
    assert set(event.misses) == {str(no.id), str(broken.id)}
    assert all(event.misses.values())


def test_data_that_breaks_every_filter_is_published_all_the_same() -> None:
    make.subscription(filter="data.total > 5")
    for data in (b"", b"\xff", b"{", b"[" * 10_000, b"1" * 5_000, b'"\\u0000"', b"1e999"):
        assert one(make.event(data=data)) == Accepted(Event.objects.latest("id").id, 0)


def test_a_deleted_or_changed_subscription_is_heeded_at_once() -> None:
    gone, changed = make.subscription(), make.subscription()
    one(make.event())
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    operate.change_subscription(
        actor=make.ACTOR, subscription=changed.id, fields={"types": ["else"]}
    )
    event = make.event()
    assert one(event) == Accepted(event.id, 0)


def test_a_paused_or_disabled_subscription_is_owed_what_it_misses() -> None:
    paused, disabled = make.subscription(), make.subscription()
    operate.pause(actor=make.ACTOR, subscription=paused.id)
    operate.disable(actor=make.ACTOR, subscription=disabled.id, reason="away")
    event = make.event()
    assert one(event) == Accepted(event.id, 2)


def test_the_same_identity_meets_the_first_event() -> None:
    make.subscription()
    identity = identified()
    first = make.event(identity=identity)
    assert one(first) == Accepted(first.id, 1)
    assert one(make.event(identity=identity)) == Duplicate(first.id)
    other = Identity(identity.key, new_uuid())
    assert one(make.event(identity=other)) == Conflict(first.id)
    assert Event.objects.count() == 1


def test_two_events_of_one_identity_are_refused_in_one_publish() -> None:
    identity = identified()
    with pytest.raises(ValueError, match="identity"):
        publish([make.event(identity=identity), make.event(identity=identity)], identity_ttl=60.0)


def test_a_batch_with_a_repeat_stores_the_others() -> None:
    make.subscription()
    identity = identified()
    first = make.event(identity=identity)
    one(first)
    items = [make.event(), make.event(identity=identity), make.event(identity=identified())]
    receipts = publish(items, identity_ttl=60.0)
    assert receipts == [Accepted(items[0].id, 1), Duplicate(first.id), Accepted(items[2].id, 1)]
    assert Event.objects.count() == OwedDelivery.objects.count() == 3


def test_a_guard_with_other_content_stores_nothing() -> None:
    guard = identified()
    publish([make.event()], identity_ttl=60.0, guard=guard)
    with pytest.raises(GuardConflict):
        publish([make.event()], identity_ttl=60.0, guard=Identity(guard.key, new_uuid()))
    assert Event.objects.count() == 1


def test_a_publish_is_one_statement_whatever_it_holds() -> None:
    for _ in range(20):
        make.subscription()
    one(make.event())
    alone = exchanges(lambda: one(make.event()))
    many = [make.event(identity=identified()) for _ in range(50)]
    assert exchanges(lambda: publish(many, identity_ttl=60.0)) == alone
    assert OwedDelivery.objects.count() == 52 * 20


def test_concurrent_repeats_make_one_event() -> None:
    make.subscription()
    identity = identified()
    receipts = together([lambda: one(make.event(identity=identity)) for _ in range(8)])
    assert (
        sorted(type(receipt).__name__ for receipt in receipts) == ["Accepted"] + ["Duplicate"] * 7
    )
    assert len({receipt.id for receipt in receipts}) == 1
    assert Event.objects.count() == OwedDelivery.objects.count() == 1


def test_batches_whose_identities_overlap_never_deadlock() -> None:
    make.subscription()
    known = [identified() for _ in range(40)]

    def work(number: int) -> Callable[[], list[Receipt]]:
        mine = known if number % 2 else known[::-1]
        return lambda: publish([make.event(identity=i) for i in mine], identity_ttl=60.0)

    for answers in zip(*together([work(n) for n in range(8)]), strict=True):
        assert len(answers) == 8
    assert Event.objects.count() == OwedDelivery.objects.count() == EventIdentity.objects.count()


def test_a_subscription_made_before_a_publish_began_always_gets_the_event() -> None:
    """Each publisher makes its subscription, then publishes, while seven others do the same."""

    def work() -> list[tuple[object, object]]:
        pairs = []
        for _ in range(8):
            made = make.subscription()
            event = make.event()
            one(event)
            pairs.append((event.id, made.id))
        return pairs

    pairs = [pair for found in together([work] * 8) for pair in found]
    owed = set(OwedDelivery.objects.values_list("event", "subscription"))
    assert len(pairs) == 64
    assert not set(pairs) - owed


def test_a_subscription_made_by_another_process_is_heeded_by_the_next_publish() -> None:
    one(make.event())
    [made] = together([lambda: make.subscription().id])
    event = make.event()
    assert one(event) == Accepted(event.id, 1)
    assert OwedDelivery.objects.get(subscription=made).event == event.id


def test_an_event_of_a_day_without_a_partition_is_stored_all_the_same() -> None:
    make.subscription()
    far = make.event(id=type(new_uuid())("0fffffff-ffff-7000-8000-000000000000"))
    assert one(far) == Accepted(far.id, 1)
