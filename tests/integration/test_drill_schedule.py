"""Safe drills run when their time has come, or when somebody asks, and once at a time."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from events import jobs
from events.models import AuditEntry, Heartbeat, Job
from events.models.process import Role
from events.roles import Role as PersonRole
from monitoring import drill_schedule, findings
from monitoring.drilling import SafeDrill, Stage, drill_all
from monitoring.models import Drill, Finding, Sample
from tests.pages import signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _job(transactional_db: None) -> None:
    Job.objects.create(name=drill_schedule.JOB, started_at=timezone.now())


def ran(age: timedelta, *, held: bool = True) -> Drill:
    """A drill that was run that long ago."""
    row = Drill.objects.create(
        name="publish and deliver", expected="", seen="", held=held, seconds=1.0, by="a"
    )
    Drill.objects.filter(pk=row.pk).update(started_at=Now() - age)
    return row


def test_without_a_schedule_nothing_runs_by_itself() -> None:
    drill_schedule.run_due()
    assert drill_schedule.next_run() is None
    assert not Drill.objects.exists()


def test_a_system_that_cannot_be_drilled_fails_each_and_says_why(
    settings: Settings,
) -> None:
    settings.REDRIVE_SAFE_DRILL_HOURS, settings.REDRIVE_ALLOW_ADDRESSES = 1, ()
    drill_schedule.run_due()
    rows = Drill.objects.all()
    assert {(row.held, row.by) for row in rows} == {(False, "schedule")}
    assert all("REDRIVE_ALLOW_ADDRESSES" in row.seen for row in rows)
    assert not drill_schedule.is_running()
    many = len(rows)
    drill_schedule.run_due()
    assert Drill.objects.count() == many


def test_somebody_asks_and_it_is_audited_and_not_run_twice(settings: Settings) -> None:
    settings.REDRIVE_ALLOW_ADDRESSES = ()
    assert drill_schedule.ask(actor="jo")
    drill_schedule.run_due()
    assert set(Drill.objects.values_list("by", flat=True)) == {"jo"}
    assert AuditEntry.objects.get().actor == "jo"
    until = (timezone.now() + drill_schedule.AT_MOST).isoformat()
    jobs.remember(drill_schedule.JOB, {"until": until})
    assert not drill_schedule.ask(actor="jo")


def test_a_schedule_that_was_missed_twice_is_a_finding(settings: Settings) -> None:
    Sample.objects.create(at=timezone.now(), span=1)
    ran(timedelta(hours=3))
    findings.judge()
    assert not Finding.objects.filter(kind="drill").exists()
    settings.REDRIVE_SAFE_DRILL_HOURS = 1
    findings.judge()
    assert "was not run for 3 h" in Finding.objects.get(kind="drill").words


def test_a_drill_that_ends_early_failed_and_the_next_ones_are_run(settings: Settings) -> None:
    settings.REDRIVE_ALLOW_ADDRESSES = (ip_network("127.0.0.0/8"),)
    Heartbeat.objects.create(name="here:1", role=Role.WORKER, host="here", pid=1, version="1")

    def ends_early(_stage: Stage) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return "not reached"

    first = SafeDrill("ends early", "", ends_early)
    second = SafeDrill("holds", "", lambda _stage: "all well")

    drill_all([first, second], by="schedule")

    rows = dict(Drill.objects.values_list("name", "held"))
    assert rows == {"ends early": False, "holds": True}
    assert "OperationalError" in Drill.objects.get(name="ends early").seen


def test_what_make_drill_saw_is_shown_and_stands_for_a_week(
    settings: Settings, tmp_path: Path
) -> None:
    settings.REDRIVE_SAFE_DRILL_HOURS = 1
    Sample.objects.create(at=timezone.now(), span=1)
    one = {"expected": "nothing lost", "seen": "one was killed", "recovered": 2.5, "not_run": ""}
    kept = tmp_path / "results.json"
    kept.write_text(
        json.dumps(
            [
                one | {"fault": "worker dies", "broken": []},
                one | {"fault": "disk full", "broken": ["lost_events: 3"]},
                one | {"fault": "clock ahead", "broken": [], "not_run": "no faketime"},
            ]
        )
    )

    call_command("drill", store=kept, stdout=StringIO())
    Drill.objects.filter(name="worker dies").update(started_at=Now() - timedelta(hours=9))
    findings.judge()

    page = signed_in(PersonRole.VIEWER).get("/drills/").content.decode()
    assert "worker dies" in page
    assert "one was killed; lost_events: 3" in page
    assert "clock ahead" not in page
    words = "The drill “disk full” failed: one was killed; lost_events: 3."
    assert list(Finding.objects.standing().values_list("words", flat=True)) == [words]
    assert drill_schedule.next_run() <= timezone.now()
