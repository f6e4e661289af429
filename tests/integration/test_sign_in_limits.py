"""Wrong passwords lock one user from one address, behind trusted proxies too."""

from __future__ import annotations

import pytest
from axes.models import AccessFailureLog
from django.conf import LazySettings
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from config.client_address import client_address
from config.sign_in_limits import GUESSES, WINDOW
from events.roles import Role
from tests import pages

PROXY = "10.0.0.2"


def sign_in(forwarded: str, password: str) -> HttpResponse:
    client = Client(REMOTE_ADDR=PROXY, headers={"X-Forwarded-For": forwarded})
    return client.post("/sign-in/", {"username": "admin", "password": password})


def wrong_before(address: str, many: int) -> None:
    """As many wrong passwords from an address, each for another user."""
    tries = (AccessFailureLog(username=f"user-{n}", ip_address=address) for n in range(many))
    AccessFailureLog.objects.bulk_create(tries)


@pytest.mark.django_db
def test_behind_a_proxy_a_guesser_locks_out_nobody_but_himself(settings: LazySettings) -> None:
    settings.REDRIVE_TRUSTED_PROXIES = 1
    pages.person(Role.ADMIN)
    for number in range(5):
        # What he writes into the header himself does not make him somebody else.
        last = sign_in(f"198.51.100.{number}, 203.0.113.9", "wrong")
    assert last.status_code == 429
    assert sign_in("203.0.113.9", "correct-horse-battery").status_code == 429
    assert sign_in("192.0.2.1", "correct-horse-battery")["location"] == "/"


@pytest.mark.django_db
def test_without_a_proxy_the_header_changes_nothing() -> None:
    pages.person(Role.ADMIN)
    for number in range(5):
        last = sign_in(f"198.51.100.{number}", "wrong")
    assert last.status_code == 429


@pytest.mark.django_db
def test_whoever_guesses_many_users_is_shut_out_and_others_are_not(settings: LazySettings) -> None:
    settings.REDRIVE_TRUSTED_PROXIES = 1
    pages.person(Role.ADMIN)
    wrong_before("203.0.113.9", GUESSES - 1)
    assert sign_in("203.0.113.9", "wrong").status_code == 200
    refused = sign_in("203.0.113.9", "correct-horse-battery")
    assert refused.status_code == 429
    assert refused["Retry-After"] == "3600"
    assert "after 50 wrong tries" in pages.text_of(refused)
    assert sign_in("192.0.2.1", "correct-horse-battery")["location"] == "/"
    call_command("axes_reset_ip", "203.0.113.9")
    assert sign_in("203.0.113.9", "correct-horse-battery")["location"] == "/"


@pytest.mark.django_db
def test_wrong_passwords_of_more_than_an_hour_ago_count_no_more() -> None:
    pages.person(Role.ADMIN)
    wrong_before(PROXY, GUESSES)
    AccessFailureLog.objects.update(attempt_time=timezone.now() - WINDOW)
    assert sign_in("", "correct-horse-battery")["location"] == "/"
    sign_in("", "wrong")
    assert AccessFailureLog.objects.count() == 1


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.1", PROXY),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "192.0.2.1, 192.0.2.2", "192.0.2.2"),
        (2, "192.0.2.1, 192.0.2.2", "192.0.2.1"),
        (2, "192.0.2.2", PROXY),
        (1, "2001:DB8::0001", "2001:db8::1"),
        (1, "unknown", PROXY),
        (1, "", PROXY),
    ],
)
def test_the_address_is_the_one_that_the_outermost_trusted_proxy_saw(
    settings: LazySettings, proxies: int, forwarded: str, address: str
) -> None:
    settings.REDRIVE_TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory(REMOTE_ADDR=PROXY, headers=headers).get("/")
    assert client_address(request) == address
