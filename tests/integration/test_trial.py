"""Tests of an endpoint: each is sent, recorded and judged by itself."""

from __future__ import annotations

import threading
import time
from uuid import UUID

import pytest
from django.db import connection
from django.urls import reverse

from events import operate, vault
from events.engine.trial import send_tests
from events.models import Attempt, Delivery, Lane, Secret, Subscription
from events.models.subscription import REDRIVE
from events.probe import send_test
from events.roles import Role
from tests import make, pages
from tests.receiver import PATIENCE, Receiver

pytestmark = pytest.mark.usefixtures("lawful")


def asked(to: Subscription) -> UUID:
    return send_test(to.id, actor=make.ACTOR)


def state(delivery: UUID) -> str:
    # Its state alone: a test that waits is due at infinity, which Python has no word for.
    return Delivery.objects.values_list("state", flat=True).get(id=delivery)


def test_tests_are_sent_whatever_the_state_of_their_lane(receiver: Receiver) -> None:
    paused, parked = (make.subscription(receiver.url("/ok")) for _ in range(2))
    operate.pause(actor=make.ACTOR, subscription=paused.id)
    operate.open_breaker(actor=make.ACTOR, subscription=parked.id, seconds=60)
    both = [asked(paused), asked(parked)]
    assert send_tests() == 2
    assert [state(one) for one in both] == ["delivered", "delivered"]
    assert Subscription.objects.get(id=paused.id).state == "paused"
    assert send_tests() == 0


def test_every_page_opens_while_a_test_waits() -> None:
    to = make.subscription(ordered=True)
    waiting = Delivery.objects.values("id", "event").get(id=asked(to))
    operator = pages.signed_in(Role.OPERATOR)
    for address in (
        reverse("overview"),
        reverse("subscriptions"),
        reverse("subscription", args=[to.id]),
        reverse("event", args=[waiting["event"]]),
        reverse("deliveries"),
        reverse("delivery", args=[waiting["id"]]),
        reverse("deliveries") + "?export=csv",
        reverse("subscriptions") + "?export=csv",
        reverse("health"),
    ):
        response = operator.get(address)
        assert response.status_code == 200, address
        assert response.getvalue()


def test_a_test_that_fails_is_cancelled_and_not_tried_again(receiver: Receiver) -> None:
    one = asked(make.subscription(receiver.url("/status/500")))
    assert send_tests() == 1
    assert state(one) == "cancelled"
    assert Attempt.objects.get().status == 500
    assert len(receiver.requests) == 1


def test_a_subscription_whose_secret_cannot_be_read_harms_its_own_test_only(
    receiver: Receiver,
) -> None:
    broken, well = (make.subscription(receiver.url("/ok")) for _ in range(2))
    Secret.objects.filter(subscription=broken).update(encrypted="unreadable")
    with pytest.raises(vault.Unreadable):
        vault.decrypt("unreadable")
    first, second = asked(broken), asked(well)
    assert send_tests() == 2
    assert (state(first), state(second)) == ("cancelled", "delivered")
    assert "Unreadable" in make.delivery(first).last_error
    assert send_tests() == 0


def test_a_test_that_hangs_holds_up_no_later_one(receiver: Receiver) -> None:
    slow = asked(make.subscription(receiver.url("/hold"), timeout=60.0))

    def dispatcher() -> None:
        send_tests()
        connection.close()

    thread = threading.Thread(target=dispatcher)
    thread.start()
    try:
        receiver.wait(1)
        quick = asked(make.subscription(receiver.url("/ok")))
        receiver.wait(1, path="/ok")
        ends = time.monotonic() + PATIENCE
        while state(quick) != "delivered":
            assert time.monotonic() < ends
        assert state(slow) == "in_flight"
    finally:
        receiver.release()
        thread.join()
    assert state(slow) == "delivered"


def test_a_test_that_arrives_brings_an_endpoint_back_that_was_given_up(receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/ok"))
    operate.disable(actor=REDRIVE, subscription=to.id, reason="the endpoint answered 410 Gone")
    asked(to)
    send_tests()
    assert Subscription.objects.get().state == "active"
    assert Lane.objects.get().state == "closed"


def test_a_test_that_fails_leaves_it_given_up_and_is_known_as_a_failure(receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/status/500"))
    operate.disable(actor=REDRIVE, subscription=to.id, reason="the endpoint answered 410 Gone")
    asked(to)
    send_tests()
    assert Subscription.objects.get().state == "disabled"
    assert Lane.objects.get().failed_at is not None
