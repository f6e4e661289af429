"""The state of the system in numbers, and the probes of a supervisor."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from events import operate, probe
from events.heartbeat import beat
from events.models import FanOut, LedgerEntry, OwedDelivery
from events.models.process import Role
from events.rules.outcome import Responded
from events.uuids import new_uuid
from monitoring import probes, samples
from monitoring.models import Sample
from tests import make
from tests.make import ACTOR
from tests.rest import operator
from tests.servers import servers

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]

# A web process whose Postgres is away from the start.
AWAY = """
import json, django
django.setup()
from django.test import Client
client = Client(SERVER_NAME="127.0.0.1")
key = {"Authorization": "Bearer rdk_abcdefgh_" + "x" * 43}
def told(path):
    found = client.get(path, headers=key)
    return [found.status_code, {name.lower(): value for name, value in found.items()}, found.json()]
print(json.dumps([told("/healthz"), told("/readyz"), told("/api/v1/events")]))
"""


def told() -> Any:
    answer = operator().get("status")
    assert answer.status == 200
    return answer.json


def test_the_ledger_adds_up_whatever_became_of_the_deliveries() -> None:
    to = make.subscription()
    make.dead(to, 2)
    make.owed(to)
    make.recorded(Responded(200))
    operate.cancel(actor=ACTOR, delivery=make.owed(to))
    make.owed(to)
    make.claims()
    make.owed(to)
    found = told()
    assert found["ledger"] == {
        "created": 6,
        "delivered": 1,
        "dead": 2,
        "cancelled": 1,
        "owed": 2,
        "unaccounted": 0,
    }
    assert (found["depth"]["in_flight"], found["depth"]["pending"]) == (1, 1)
    assert found["dead_letters"] == 2


def test_a_loss_shows_in_the_ledger() -> None:
    make.owed(make.subscription())
    OwedDelivery.objects.all().delete()
    assert told()["ledger"]["unaccounted"] == 1
    LedgerEntry.objects.all().delete()
    assert told()["ledger"]["unaccounted"] == 0


def test_what_nothing_can_be_claimed_of_is_parked_and_not_overdue() -> None:
    to = make.subscription()
    make.owed(to)
    assert told()["depth"]["oldest_due"] is not None
    operate.pause(actor=ACTOR, subscription=to.id)
    depth = told()["depth"]
    assert (depth["pending"], depth["parked"], depth["oldest_due"]) == (0, 1, None)
    operate.resume(actor=ACTOR, subscription=to.id)
    operate.open_breaker(actor=ACTOR, subscription=to.id, seconds=60)
    assert told()["depth"]["parked"] == 1


def test_a_fresh_sample_is_told_and_an_old_one_is_counted_anew() -> None:
    to = make.subscription()
    make.backlog(to, 3)
    sample = samples.take(None)
    make.owed(to)
    found = told()
    assert found["at"].startswith(f"{sample.at:%Y-%m-%dT%H:%M:%S}")
    assert (found["ledger"]["created"], found["ledger"]["owed"]) == (3, 3)
    assert (found["depth"]["pending"], found["ledger"]["unaccounted"]) == (3, 0)
    assert found["depth"]["oldest_due"] is not None
    Sample.objects.update(at=F("at") - timedelta(seconds=11))
    assert told()["ledger"]["created"] == 4


def test_a_waiting_test_does_not_break_the_count() -> None:
    probe.send_test(make.subscription().id, actor=ACTOR)
    depth = told()["depth"]
    assert (depth["pending"], depth["oldest_due"]) == (1, None)


def test_processes_are_counted_by_role_and_a_lonely_dispatcher_is_told() -> None:
    assert told()["processes"] == {"web": 0, "worker": 0, "dispatcher": 0}
    beat("w1", Role.WORKER, doing="", load={})
    beat("d1", Role.DISPATCHER, doing="", load={"alone": False})
    found = told()
    assert found["processes"] == {"web": 0, "worker": 1, "dispatcher": 1}
    assert found["dispatcher_alone"] is False
    beat("d1", Role.DISPATCHER, doing="", load={"alone": True})
    assert told()["dispatcher_alone"] is True


def test_unexpanded_events_and_the_load_level_are_told() -> None:
    FanOut.objects.create(event=new_uuid(), remaining=[new_uuid()])
    found = told()
    assert found["fan_outs"] == 1
    assert found["load"] == {
        "level": "normal",
        "since": None,
        "reasons": [],
        "steps": [],
        "disk_full": False,
    }
    assert found["at"].startswith(timezone.now().date().isoformat()[:8])


@pytest.mark.django_db(transaction=True)
def test_a_process_is_ready_when_postgres_commits_and_redis_answers() -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}
    ready = Client().get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@pytest.mark.django_db(transaction=True)
def test_a_process_without_redis_is_ready_and_degraded(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    ready = Client().get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")


@pytest.mark.django_db(transaction=True)
def test_a_process_on_an_unmigrated_database_is_not_ready() -> None:
    probes._migrated.known = False
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET name = name || '_' WHERE app = 'dlq'")
        try:
            ready = Client().get("/readyz")
        finally:
            cursor.execute("UPDATE django_migrations SET name = rtrim(name, '_') WHERE app = 'dlq'")
    assert ready.status_code == 503
    assert "migrate" in ready.json()["reason"]
    assert Client().get("/readyz").status_code == 200


@contextmanager
def no_commit_ends() -> Iterator[None]:
    """New sessions wait for a standby that there is not; the others go on."""

    def say(*statements: str) -> None:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    name = connection.settings_dict["NAME"]
    say(
        f"ALTER DATABASE {name} SET synchronous_commit = on",
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    )
    try:
        yield
    finally:
        say(
            "ALTER SYSTEM RESET synchronous_standby_names",
            "SELECT pg_reload_conf()",
            f"ALTER DATABASE {name} RESET synchronous_commit",
        )


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_hangs_makes_a_process_not_ready_and_holds_one_thread() -> None:
    with no_commit_ends():
        connection.close_pool()
        began = time.monotonic()
        found = Client().get("/readyz")
        assert (found.status_code, time.monotonic() - began < 3) == (503, True)
        assert found.json()["reason"] == "Postgres does not commit within a second."
        assert {Client().get("/readyz").status_code for _ in range(3)} == {503}
        assert sum(thread.name.startswith("ready") for thread in threading.enumerate()) == 1
    ends = time.monotonic() + 10
    while Client().get("/readyz").status_code != 200:
        assert time.monotonic() < ends


def test_a_host_that_vanishes_is_noticed_in_seconds() -> None:
    """What libpq was told, as no host of a test can vanish."""
    connection.ensure_connection()
    told = connection.connection.info.get_parameters()
    assert (told["tcp_user_timeout"], told["keepalives_idle"]) == ("8000", "5")


def test_without_postgres_a_process_is_alive_not_ready_and_answers_with_problems() -> None:
    away = servers.environment() | {"DATABASE_URL": "postgresql://postgres@/x?host=%2Fnowhere"}
    done = subprocess.run(
        [sys.executable, "-c", AWAY], cwd=ROOT, env=away, capture_output=True, check=True
    )
    healthy, ready, events = json.loads(done.stdout.splitlines()[-1])
    assert healthy[0] == 200
    assert ready[0] == 503
    status, headers, body = events
    assert (status, body["code"]) == (503, "unavailable")
    assert headers["content-type"] == "application/problem+json"
    assert headers["retry-after"] == "1"
