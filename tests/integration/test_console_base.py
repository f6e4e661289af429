"""The console's frame: signing in, roles, the policy, and the pages of monitoring."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from events.models import AuditEntry
from events.roles import Role, give, role_of
from monitoring import findings, force, samples
from monitoring.models import Finding, Kind, Sample, Side
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "a long password"
PAGES = ["/", "/?range=24h", "/health/", "/alerts/", "/drills/", "/settings/"]


def person(role: Role) -> User:
    user = User.objects.create_user(f"a {role or 'nobody'}", password=PASSWORD)
    give(user, role)
    return user


def signed_in(role: Role) -> Client:
    client = Client()
    client.force_login(person(role), backend="django.contrib.auth.backends.ModelBackend")
    return client


def found() -> Finding:
    return Finding.objects.create(kind=Kind.LEVEL, side=Side.OURS, words="The load is busy.")


def test_a_role_is_the_highest_group_and_a_superuser_is_an_admin() -> None:
    user = person(Role.VIEWER)
    assert role_of(user) is Role.VIEWER
    give(user, Role.OPERATOR)
    assert role_of(User.objects.get()) is Role.OPERATOR
    assert role_of(User.objects.create_superuser("root", password=PASSWORD)) is Role.ADMIN
    assert Role.NOBODY < Role.VIEWER < Role.OPERATOR < Role.ADMIN


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_sent_to_sign_in(page: str) -> None:
    response = Client().get(page)
    assert (response.status_code, response["location"].split("?")[0]) == (302, "/sign-in/")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_for_a_viewer_within_its_queries(
    page: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(10):
        make.dead(make.subscription())
    samples.take(None)
    found()
    client = signed_in(Role.VIEWER)
    with django_assert_max_num_queries(14):
        response = client.get(page)
    assert response.status_code == 200
    assert b"Skip to content" in response.content


@pytest.mark.parametrize("page", PAGES)
def test_somebody_without_a_role_sees_nothing(page: str) -> None:
    response = signed_in(Role.NOBODY).get(page)
    assert response.status_code == 403
    assert b'href="/settings/"' not in response.content


def test_the_password_signs_in_and_a_sixth_wrong_try_is_refused() -> None:
    person(Role.VIEWER)
    client = Client()
    right = {"username": "a viewer", "password": PASSWORD}
    assert client.post("/sign-in/", right)["location"] == "/"
    client.post("/sign-out/")
    for _ in range(5):
        last = client.post("/sign-in/", right | {"password": "wrong"})
    assert last.status_code == 429
    assert "Too many wrong passwords" in client.post("/sign-in/", right).content.decode()


def test_signing_in_does_not_lead_elsewhere() -> None:
    person(Role.VIEWER)
    right = {"username": "a viewer", "password": PASSWORD, "next": "https://evil.example/"}
    assert Client().post("/sign-in/", right)["location"] == "/"


def test_the_policy_forbids_inline_scripts_and_frames() -> None:
    policy = signed_in(Role.VIEWER).get("/")["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_a_viewer_sees_no_action_and_cannot_post_one() -> None:
    finding, client = found(), signed_in(Role.VIEWER)
    assert b"acknowledge" not in client.get("/alerts/").content
    assert client.post(f"/alerts/{finding.pk}/acknowledge/").status_code == 403
    assert Finding.objects.get().acknowledged_at is None


def test_an_operator_acknowledges_silences_and_takes_it_back() -> None:
    finding, client = found(), signed_in(Role.OPERATOR)
    now = timezone.now()
    client.post(f"/alerts/{finding.pk}/acknowledge/")
    assert Finding.objects.get().state(now) == "acknowledged"
    assert b"Undo" in client.get("/alerts/").content
    client.post(f"/alerts/{finding.pk}/silence/", {"hours": "8"})
    assert Finding.objects.get().state(now) == "silenced"
    client.post(f"/alerts/{finding.pk}/ring/")
    assert Finding.objects.get().state(now) == "open"
    acts = list(AuditEntry.objects.order_by("id").values_list("actor", "action"))
    assert acts == [
        ("user:a operator", "acknowledge"),
        ("user:a operator", "silence"),
        ("user:a operator", "ring-again"),
    ]


def test_of_two_who_acknowledge_one_is_first() -> None:
    finding = found()
    assert findings.acknowledge(finding.pk, actor="user:one")
    assert not findings.acknowledge(finding.pk, actor="user:two")


def test_the_theme_and_the_zone_are_kept_and_a_foreign_way_back_is_not_taken() -> None:
    client = signed_in(Role.VIEWER)
    choice = {"theme": "dark", "zone": "Europe/Berlin", "next": "https://evil.example/"}
    assert client.post("/preferences/", choice)["location"] == "/"
    page = client.get("/").content.decode()
    assert 'data-theme="dark"' in page
    assert 'data-zone="Europe/Berlin"' in page
    client.post("/preferences/", {"zone": "Nowhere/Land"})
    assert client.cookies["zone"].value == "Europe/Berlin"


def test_the_overview_says_us_before_them() -> None:
    samples.take(None)
    found()
    Finding.objects.create(kind=Kind.BREAKER, side=Side.THEIRS, words="Orders: fails.")
    page = signed_in(Role.VIEWER).get("/").content.decode()
    assert "It is us" in page
    assert "The load is busy." in page


def test_an_old_sample_is_not_called_the_present() -> None:
    samples.take(None)
    Sample.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert "Not known" in signed_in(Role.VIEWER).get("/").content.decode()


def test_a_script_in_a_name_shows_as_text() -> None:
    make.dead(make.subscription(name="<script>alert(1)</script>"))
    samples.take(None)
    page = signed_in(Role.VIEWER).get("/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_secrets_are_masked_in_the_settings_in_force() -> None:
    values = {one.name: one.value for one in force.in_force()}
    assert values["REDRIVE_SECRET_KEY"] == force.MASK
    assert values["REDRIVE_SECRET_KEYS"] == force.MASK
    assert "hunter2" not in force.masked("DATABASE_URL", "postgresql://me:hunter2@db:5432/x")
    assert force.masked("REDRIVE_PORT", "8000") == "8000"


def test_hundreds_who_poll_at_once_are_drawn_one_answer() -> None:
    samples.take(None)
    client = signed_in(Role.VIEWER)
    first = client.get("/live/?page=overview").content
    with CaptureQueriesContext(connection) as made:
        assert client.get("/live/?page=overview").content == first
    # Who it is, what they may, and the newest sample.
    assert len(made) <= 4
    second = samples.take(Sample.objects.newest())
    assert f'data-v="{second.id}"' in client.get("/live/?page=overview").content.decode()


def test_polling_gives_the_same_parts_as_a_frame() -> None:
    samples.take(None)
    client = signed_in(Role.VIEWER)
    everywhere = client.get("/live/").content.decode()
    assert 'id="head-ledger"' in everywhere
    assert "ov-ledger" not in everywhere
    assert 'id="ov-ledger"' in client.get("/live/?page=overview").content.decode()
