"""The servers that Redrive stands on: how each does, and since when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from events import jobs
from events.roles import Role
from monitoring import parts
from tests import pages
from tests.rest import operator

pytestmark = pytest.mark.django_db(transaction=True)


def watched() -> dict[str, parts.Known]:
    """A run of the job, as a dispatcher starts it."""
    jobs.start_due({parts.JOB: 0.0})
    parts.watch()
    return {one.name: one for one in parts.known()}


def test_a_state_keeps_its_beginning_until_it_changes(settings: Settings) -> None:
    first = watched()
    assert {one.name for one in first.values()} == {"Postgres", "Redis", "Broker"}
    assert watched()["Postgres"].since == first["Postgres"].since
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    away = watched()
    assert away["Redis"].state == "down"
    assert away["Redis"].since > first["Redis"].since
    assert watched()["Redis"].since == away["Redis"].since


def test_the_health_page_and_the_status_say_since_when(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    watched()
    ago = (timezone.now() - timedelta(minutes=5)).isoformat()
    jobs.remember(parts.JOB, jobs.state_of(parts.JOB) | {"Redis": ["down", "it is off", ago]})
    found = {one["name"]: one for one in operator().get("status").json["health"]}
    assert (found["redis"]["state"], found["redis"]["reason"]) == ("down", "it is off")
    assert found["postgres"]["state"] == "healthy"
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse("health")))
    assert "no answer, since" in shown
    assert "5 min ago" in shown
