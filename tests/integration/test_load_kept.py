"""The load level as a dispatcher keeps it and every process reads it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F
from django.urls import reverse
from pytest_django import Settings

from events import load
from events.models import LoadLevel
from events.roles import Role
from events.rules.load import Level
from tests import pages
from tests.lane import Lane
from tests.rest import operator

pytestmark = pytest.mark.django_db(transaction=True)


def nobody_measures() -> None:
    """The dispatchers went away 20 s ago."""
    LoadLevel.objects.update(measured_at=F("measured_at") - timedelta(seconds=20))
    load._known = None


def test_a_level_that_nobody_measures_any_more_refuses_nothing(lane: Lane) -> None:
    LoadLevel.objects.create(id=1, level="overloaded", disk_full=True)
    assert lane.post({"type": "t"}).status == 503
    nobody_measures()
    assert lane.post({"type": "t", "priority": "low"}).status == 202
    assert operator().get("status").json["load"]["level"] == "normal"


def test_a_dispatcher_that_comes_back_starts_from_the_normal_level() -> None:
    LoadLevel.objects.create(id=1, level="overloaded", reasons=["old"], leaning=-3)
    nobody_measures()
    assert load.update().level == Level.NORMAL
    row = LoadLevel.objects.get()
    assert (row.level, row.reasons, row.leaning) == ("normal", [], 0)


def test_the_count_of_measurements_goes_on_from_one_to_the_next() -> None:
    LoadLevel.objects.create(id=1, level="busy")
    for leaning in range(-1, -10, -1):
        assert load.update().leaning == leaning
    assert load.update().level == Level.NORMAL
    assert LoadLevel.objects.get().level == "normal"


def test_the_status_lists_what_is_given_up() -> None:
    LoadLevel.objects.create(id=1, level="overloaded", disk_full=True, measures={"commit": 1.0})
    shown = operator().get("status").json["load"]
    assert shown["since"] is not None
    assert shown["steps"][-2:] == [
        "publishes of low priority are refused with 429",
        "every publish is refused with 503",
    ]


def test_the_disk_is_that_of_the_folder_that_is_set(tmp_path: Path, settings: Settings) -> None:
    settings.REDRIVE_DATA_DIR = str(tmp_path)
    assert load.measure().disk_free is None
    settings.REDRIVE_DISK = str(tmp_path)
    found = load.measure().disk_free
    assert found is not None
    assert 0 < found < 1
    settings.REDRIVE_DISK = str(tmp_path / "not mounted")
    assert load.measure().disk_free is None


def overload() -> None:
    LoadLevel.objects.update_or_create(id=1, defaults={"level": "overloaded"})
    load._known = None


def test_no_list_is_given_as_a_file_under_the_worst_load() -> None:
    client = pages.signed_in(Role.VIEWER)
    overload()
    answer = client.get(reverse("events"), {"export": "csv"})
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert client.get(reverse("events")).status_code == 200
