"""The age of the backlog: what waits for us counts, what waits for its endpoint or key does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from events import load
from events.models import OwedDelivery
from events.rules.outcome import Responded
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

AGE = 90.0


def age() -> None:
    """Makes what is pending and due wait for longer."""
    due = OwedDelivery.objects.filter(state="pending")
    due.update(due_at=F("due_at") - timedelta(seconds=AGE))


def test_what_is_due_and_not_sent_is_backlog() -> None:
    make.owed(make.subscription())
    age()
    assert load.measure().backlog >= AGE


def test_an_endpoint_at_its_cap_is_none() -> None:
    to = make.subscription(max_concurrency=2)
    make.backlog(to, 5)
    make.claims()
    age()
    assert load.measure().backlog == 0


def test_the_successors_of_a_key_that_is_retried_later_are_none() -> None:
    to = make.subscription(ordered=True)
    make.backlog(to, 3, ordering_key="k")
    make.recorded(Responded(422), schedule=[7_200.0])
    OwedDelivery.objects.filter(attempts=0).update(due_at=F("due_at") - timedelta(seconds=AGE))
    assert load.measure().backlog == 0


def test_the_head_of_a_key_is_backlog() -> None:
    make.backlog(make.subscription(ordered=True), 3, ordering_key="k")
    age()
    assert load.measure().backlog >= AGE
