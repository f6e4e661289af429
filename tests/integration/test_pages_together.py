"""Two operators do the same at the same moment: it is done once, and the other is told."""

from __future__ import annotations

from functools import partial

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from dlq.models import DeadLetter, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from events.models import AuditEntry
from events.roles import Role
from monitoring.models import Finding, Kind, Side
from tests import make, pages
from tests.faults import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def two() -> list[Client]:
    return [pages.signed_in(Role.OPERATOR), pages.signed_in(Role.ADMIN)]


def at_once(two: list[Client], name: str, *args: object, **form: str) -> list[str]:
    """What each is told, in alphabetical order."""
    path = reverse(name, args=args)
    answers = together([partial(client.post, path, form) for client in two])
    assert {answer.status_code for answer in answers} == {302}
    return sorted(said(answer) for answer in answers)


def said(answer: HttpResponse) -> str:
    [message] = get_messages(answer.wsgi_request)
    return str(message)


def noted(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


def test_a_dead_letter_is_discarded_once(two: list[Client]) -> None:
    [letter] = make.dead(make.subscription())
    told = at_once(two, "dead-letter-discard", letter)
    assert told == [
        "Discarded 1. In the ledger they stay dead.",
        "There was nothing open to discard.",
    ]
    assert (noted("discard"), Signature.objects.get().open) == (1, 0)


def test_a_group_is_discarded_once(two: list[Client]) -> None:
    make.dead(make.subscription(), 9)
    told = at_once(two, "dead-letter-group-discard", Signature.objects.get().id)
    assert told[1] == "There was nothing open to discard."
    assert (DeadLetter.objects.open().count(), Signature.objects.get().open) == (0, 0)


def test_a_delivery_is_cancelled_once(two: list[Client]) -> None:
    told = at_once(two, "delivery-cancel", make.owed(make.subscription()))
    assert told == ["Cancelled. Its event can be sent again.", "It is finished already."]
    assert noted("cancel") == 1


def test_a_delivery_that_both_retry_is_due_once(two: list[Client]) -> None:
    owed = make.owed(make.subscription())
    at_once(two, "delivery-retry", owed)
    assert [claim.delivery for claim in make.claims()] == [owed]


def test_a_subscription_is_paused_by_one(two: list[Client]) -> None:
    to = make.subscription()
    told = at_once(two, "subscription-pause", to.id, minutes="15")
    assert told[0].startswith("It is paused already, by user:")
    assert told[1].startswith("Paused.")
    assert noted("pause") == 1


def test_a_replay_is_cancelled_once(two: list[Client]) -> None:
    make.dead(make.subscription(), 3)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t", rate=1.0)
    told = at_once(two, "replay-cancel", start(order, actor=make.ACTOR).id)
    assert told[1] == "It was not running any more."
    assert noted("cancel-replay") == 1


def test_an_alert_is_acknowledged_once(two: list[Client]) -> None:
    row = Finding.objects.create(kind=Kind.LEVEL, side=Side.OURS, words="The load is busy.")
    told = at_once(two, "acknowledge", row.pk)
    assert told == ["Acknowledged.", "That one is over, or somebody was first."]
    assert noted("acknowledge") == 1
