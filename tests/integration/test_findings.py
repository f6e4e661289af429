"""Findings on our side: each is raised by its cause, and over when that is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from events.heartbeat import beat
from events.models import Heartbeat, LoadLevel
from events.models.process import OUT, Role
from monitoring import findings
from monitoring.models import Finding, Sample

pytestmark = pytest.mark.django_db(transaction=True)


def standing() -> dict[tuple[str, str], str]:
    """What is wrong now: the words by kind and subject."""
    findings.judge()
    return {(one.kind, one.subject): one.words for one in Finding.objects.standing()}


def alive(
    name: str,
    role: Role = Role.WORKER,
    *,
    doing: str = "idle",
    load: Mapping[str, object] | None = None,
) -> None:
    beat(name, role, doing=doing, load=load or {})


def silent(name: str, seconds: float) -> None:
    """All that this process said is so many seconds older."""
    ago = timedelta(seconds=seconds)
    Heartbeat.objects.filter(name=name).update(
        beat_at=F("beat_at") - ago, started_at=F("started_at") - ago
    )


def test_a_process_that_is_gone_is_missed_until_another_takes_its_place() -> None:
    for role in Role:
        alive(f"old {role}", role)
        silent(f"old {role}", 25)
    assert standing() == {}
    for role in Role:
        silent(f"old {role}", 10)
    found = standing()
    assert set(found) == {("process", f"old {role}") for role in Role}
    assert found["process", "old worker"].startswith("old worker (worker) is gone")
    for role in Role:
        Heartbeat.objects.create(name=f"new {role}", role=role, host="h", pid=1, version="1")
    assert standing() == {}


def test_each_process_that_is_gone_wants_one_of_its_own() -> None:
    for name in ("one", "two"):
        alive(name)
        silent(name, 60)
    alive("older than both")
    Heartbeat.objects.filter(name="older than both").update(
        started_at=timezone.now() - timedelta(hours=1)
    )
    assert set(standing()) == {("process", "one"), ("process", "two")}
    Heartbeat.objects.create(name="three", role=Role.WORKER, host="h", pid=1, version="1")
    assert len(standing()) == 1
    silent("two", 600)
    silent("one", 600)
    assert standing() == {}


def test_a_process_that_is_out_of_rotation_is_named_until_it_is_back() -> None:
    alive("w", doing=f"{OUT}it has 3 file handles left")
    assert standing() == {
        ("process", "w"): "w (worker) took itself out: it has 3 file handles left."
    }
    alive("w")
    assert standing() == {}


def test_a_clock_that_is_off_is_a_finding_until_it_is_set() -> None:
    alive("w", load={"clock_offset": -30.5})
    assert standing() == {("clock", "w"): "The clock of w is 30 s ahead of PostgreSQL's."}
    alive("w", load={"clock_offset": 29.5})
    assert standing() == {}


def test_workers_that_do_not_hear_are_a_finding_unless_the_broker_is_away() -> None:
    alive("w")
    alive("d", Role.DISPATCHER, load={"alone": False, "unanswered": 31})
    assert set(standing()) == {("deaf", "")}
    alive("d", Role.DISPATCHER, load={"alone": True, "unanswered": 31})
    assert set(standing()) == {("broker", "")}
    alive("d", Role.DISPATCHER, load={"alone": False, "unanswered": 0})
    assert standing() == {}


def test_an_acknowledged_finding_keeps_that_while_it_stands() -> None:
    alive("d", Role.DISPATCHER, load={"alone": True})
    standing()
    row = Finding.objects.get()
    findings.acknowledge(row.pk, actor="jo")
    standing()
    assert Finding.objects.get().acknowledged_by == "jo"


def test_due_work_that_no_worker_is_there_for_is_a_finding() -> None:
    sample = Sample.objects.create(at=timezone.now(), span=1, due=3, oldest=16.0)
    assert set(standing()) == {("process", "worker")}
    alive("w")
    assert standing() == {}
    Heartbeat.objects.all().delete()
    Sample.objects.filter(pk=sample.pk).update(oldest=14.0)
    assert standing() == {}


def test_a_sampler_that_is_stuck_is_a_finding_and_holds_no_other() -> None:
    old = timezone.now() - timedelta(seconds=31)
    Sample.objects.create(at=old, span=1, unaccounted=2, ours=4, oldest=100.0)
    assert set(standing()) == {("sampler", "")}
    Sample.objects.create(at=timezone.now(), span=1, unaccounted=2)
    assert ("ledger", "") in standing()
    Sample.objects.create(at=timezone.now(), span=1)
    assert ("ledger", "") not in standing()


def test_a_disk_that_fills_and_a_load_that_rises_are_findings() -> None:
    row = LoadLevel.objects.create(id=1, level="busy", measures={"disk_free": 0.149})
    assert set(standing()) == {("disk", ""), ("level", "")}
    row.level, row.measures = "normal", {"disk_free": 0.151}
    row.save()
    assert standing() == {}
    row.disk_full = True
    row.save()
    assert standing()["level", ""] == "The load is normal: the disk is nearly full."


def test_a_service_that_cannot_stay_up_is_a_finding(settings: Settings, tmp_path: Path) -> None:
    settings.REDRIVE_DATA_DIR = str(tmp_path)
    (tmp_path / "loops").write_text("web=ended with code 1\n")
    findings.judge()
    [found] = Finding.objects.standing().filter(kind="crash-loop")
    assert (found.subject, found.side) == ("web", "ours")
    assert "web cannot stay up, it ended with code 1" in found.words
    (tmp_path / "loops").write_text("")
    findings.judge()
    assert not Finding.objects.standing().filter(kind="crash-loop").exists()
