"""A replay leaves out what its endpoint was delivered in the meantime, unless it is told not to."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter, Replay
from dlq.models.replay import ReplaySource
from dlq.plan import Order, plan
from dlq.replay import start, step
from dlq.select import Criteria
from events import operate
from events.models import OwedDelivery, Subscription
from events.roles import Role
from events.rules.outcome import Responded
from tests import make, pages
from tests.rest import operator

pytestmark = pytest.mark.django_db


def partly(to: Subscription) -> list[UUID]:
    """Three events: two were delivered, and the newest died."""
    delivered = make.backlog(to, 2)
    make.recorded(Responded(200))
    make.dead(to, 1)
    return delivered


def events_to(to: Subscription, **fields: object) -> Order:
    since = Criteria(since=timezone.now() - timedelta(hours=1))
    return Order(ReplaySource.EVENTS, since, token=str(fields), target=to.id, **fields)  # type: ignore[arg-type]


def run(order: Order) -> Replay:
    row = start(order, actor=make.ACTOR)
    while step(row.id):
        pass
    row.refresh_from_db()
    return row


def test_events_that_arrived_are_counted_and_left_out() -> None:
    to = make.subscription()
    partly(to)
    found = plan(events_to(to))
    assert (found.total, found.delivered) == (1, 2)
    assert found.by_subscription == {to.id: 1}
    assert (run(events_to(to)).made, OwedDelivery.objects.count()) == (1, 1)


def test_who_asks_for_them_gets_them_again() -> None:
    to = make.subscription()
    partly(to)
    found = plan(events_to(to, again=True))
    assert (found.total, found.delivered) == (3, 0)
    assert run(events_to(to, again=True)).made == 3


def test_another_endpoint_was_delivered_nothing_of_it() -> None:
    partly(make.subscription())
    assert plan(events_to(make.subscription(types=["none"]))).total == 3


def test_a_dead_letter_whose_event_arrived_by_another_way_is_left_open() -> None:
    to = make.subscription()
    make.dead(to, 2)
    [first, _] = DeadLetter.objects.order_by("id")
    run(Order(ReplaySource.EVENTS, Criteria(ids=(first.event,)), token="x", target=to.id))
    make.recorded(Responded(200))
    letters = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="y")
    assert (plan(letters).total, plan(letters).delivered) == (1, 1)
    assert run(letters).made == 1
    first.refresh_from_db()
    assert first.state == "open"


def test_a_letter_of_a_replay_whose_event_had_arrived_before_is_left_out_too() -> None:
    to = make.subscription()
    partly(to)
    run(events_to(to, again=True))
    make.recorded(Responded(500))
    assert DeadLetter.objects.filter(state="open").count() == 4
    letters = Order(ReplaySource.DEAD_LETTERS, Criteria(subscription=to.id), token="y")
    found = plan(letters)
    assert (found.total, found.delivered, found.by_subscription) == (2, 2, {to.id: 2})
    assert run(letters).made == 2


def test_letters_of_a_deleted_subscription_are_counted_apart() -> None:
    to, gone = make.subscription(), make.subscription()
    make.dead(to, 1)
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    found = plan(Order(ReplaySource.DEAD_LETTERS, Criteria(), token="y"))
    assert (found.total, found.gone, found.by_subscription) == (1, 1, {to.id: 1})


def test_the_page_says_how_many_are_left_out_and_the_box_brings_them_in() -> None:
    to = make.subscription()
    partly(to)
    client = pages.signed_in(Role.OPERATOR)
    query = {"source": "events", "target": to.public_id, "since": "1h"}
    shown = pages.words_of(client.get(reverse("replay-new"), query))
    assert "Replay 1 event to 1 endpoint" in shown
    assert "2 more were delivered already and are left out" in shown
    asked = client.get(reverse("replay-new"), query | {"again": "on"})
    assert "Replay 3 events to 1 endpoint" in pages.words_of(asked)
    assert '<input type="hidden" name="again" value="on">' in pages.text_of(asked)


def test_over_rest_a_dry_run_counts_both() -> None:
    to = make.subscription()
    partly(to)
    body = {
        "source": "events",
        "criteria": {"since": "2020-01-01T00:00:00Z"},
        "target": to.public_id,
        "dry_run": True,
    }
    found = operator().post("replays", body).json
    assert (found["total"], found["delivered"]) == (1, 2)
    found = operator().post("replays", body | {"again": True}).json
    assert (found["total"], found["delivered"]) == (3, 0)
