"""Rehearsals: built-in endpoints that answer as chosen, and only to whoever signs as we do."""

from __future__ import annotations

import time

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse
from pytest_django import Settings

from events.models import AuditEntry, Event, OwedDelivery, Subscription
from events.rehearsal import BEHAVIOURS, TENANT
from events.roles import Role
from events.rules.signing import signature_header
from tests import make, pages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _here(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]


def rehearse(name: str, many: object = 3) -> Client:
    client = pages.signed_in(Role.ADMIN)
    client.defaults["HTTP_HOST"] = "127.0.0.1"
    client.post(reverse("rehearse", args=[name]), {"many": many})
    return client


def asked(name: str, body: bytes = b"{}", **changes: str) -> int:
    """The status that an endpoint answers a signed request with."""
    stamp = int(time.time())
    keys = [BEHAVIOURS[name].secret]
    signature = signature_header(keys, webhook_id="dlv_1", timestamp=stamp, body=body)
    headers = {
        "webhook-id": "dlv_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature,
    } | {key.replace("_", "-"): value for key, value in changes.items()}
    path = reverse("rehearsal-endpoint", args=[name])
    post = async_to_sync(AsyncClient().post)
    found = post(path, body, content_type="application/json", headers=headers)
    return int(found.status_code)


def test_events_are_owed_to_the_endpoint_and_to_nobody_else() -> None:
    other = make.subscription(tenant="shop")
    rehearse("failing")
    row = Subscription.objects.get(tenant=TENANT)
    assert row.url == "http://127.0.0.1/rehearsal/endpoint/failing/"
    assert OwedDelivery.objects.filter(subscription=row.id).count() == 3
    assert not OwedDelivery.objects.filter(subscription=other.id).exists()
    assert AuditEntry.objects.filter(action="rehearse", target=row.public_id).count() == 1


def test_a_second_go_uses_the_same_subscription_and_the_end_takes_it_away() -> None:
    client = rehearse("good")
    client.post(reverse("rehearse", args=["good"]), {"many": 2})
    row = Subscription.objects.get(tenant=TENANT)
    assert Event.objects.filter(tenant=TENANT).count() == 5
    assert row.name in pages.text_of(client.get(reverse("subscription", args=[row.id])))
    with pages.at_most(8):
        assert reverse("rehearsal-end", args=["good"]) in pages.text_of(
            client.get(reverse("rehearsal"))
        )
    client.post(reverse("rehearsal-end", args=["good"]))
    assert not Subscription.objects.existing().filter(tenant=TENANT).exists()
    assert not OwedDelivery.objects.filter(subscription=row.id).exists()


@pytest.mark.parametrize("many", ["0", "51", "", "x"])
def test_a_wrong_number_of_events_makes_nothing(many: str) -> None:
    rehearse("good", many)
    assert not Subscription.objects.exists()
    assert not Event.objects.exists()


def test_an_address_that_nothing_may_be_sent_to_is_said(settings: Settings) -> None:
    settings.REDRIVE_ALLOW_ADDRESSES = ()
    client = rehearse("good")
    assert not Subscription.objects.exists()
    assert "REDRIVE_ALLOW_ADDRESSES" in pages.text_of(client.get(reverse("rehearsal")))


@pytest.mark.parametrize(("name", "status"), [("good", 200), ("failing", 500), ("gone", 410)])
def test_an_endpoint_answers_as_it_is_called(name: str, status: int) -> None:
    assert asked(name) == status


def test_a_flaky_endpoint_does_both() -> None:
    assert {asked("flaky") for _ in range(40)} == {200, 503}


def test_who_does_not_sign_as_we_do_is_refused() -> None:
    assert asked("good", webhook_id="dlv_2") == 401
    assert asked("good", webhook_timestamp="soon") == 401
    assert asked("good", webhook_signature="") == 401


def test_an_operator_may_not_rehearse() -> None:
    client = pages.signed_in(Role.OPERATOR)
    assert client.get(reverse("rehearsal")).status_code == 403
    assert client.post(reverse("rehearse", args=["good"]), {"many": 1}).status_code == 403
    assert not Subscription.objects.exists()
