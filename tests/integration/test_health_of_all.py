"""One answer to how each part does: healthy, degraded or down, why, and since when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse

from events import jobs, operate
from events.heartbeat import beat
from events.models import ApiKey, Heartbeat, Subscription
from events.models.process import OUT, Role
from events.roles import Role as Person
from monitoring import parts
from monitoring.health import Health, State, health
from tests import make, pages
from tests.make import ACTOR

pytestmark = pytest.mark.django_db(transaction=True)


def of(name: str, *, tenant: str | None = None) -> Health:
    return {one.name: one for one in health(tenant=tenant)}[name]


def silent(name: str, seconds: float) -> None:
    ago = timedelta(seconds=seconds)
    Heartbeat.objects.filter(name=name).update(
        beat_at=F("beat_at") - ago, started_at=F("started_at") - ago
    )


@pytest.mark.parametrize("role", Role)
def test_a_role_is_down_without_a_process_and_healthy_with_one(role: Role) -> None:
    assert of(role) == Health(role, State.DOWN, "none is heard of", None)
    beat("one", role, doing="", load={})
    row = Heartbeat.objects.get()
    assert of(role) == Health(role, State.HEALTHY, "", row.started_at)
    silent("one", 20)
    row.refresh_from_db()
    assert of(role) == Health(role, State.DOWN, "none is heard of", row.beat_at)


def test_a_role_with_some_that_are_not_well_is_degraded() -> None:
    for name in ("well", "out", "late", "lost"):
        beat(name, Role.WORKER, doing=f"{OUT}no handles" if name == "out" else "", load={})
    silent("late", 12)
    silent("lost", 40)
    Heartbeat.objects.exclude(name="lost").update(started_at=Now() - timedelta(hours=1))
    found = of("worker")
    assert found.state == State.DEGRADED
    assert found.reason == (
        "of 4: 1 gone without a stop; 1 out of rotation: no handles; 1 late with its heartbeat"
    )
    assert found.since == Heartbeat.objects.get(name="lost").beat_at


def test_a_role_that_is_out_of_rotation_altogether_is_down() -> None:
    beat("one", Role.WORKER, doing=f"{OUT}its clock is wrong", load={})
    assert of("worker") == Health("worker", State.DOWN, "out of rotation: its clock is wrong")


def test_a_dispatcher_that_delivers_by_itself_is_degraded() -> None:
    beat("one", Role.DISPATCHER, doing="dispatching", load={"alone": True})
    assert of("dispatcher").state == State.DEGRADED


def test_a_server_is_as_it_was_last_seen() -> None:
    jobs.start_due({parts.JOB: 0.0})
    parts.watch()
    assert {of(name).state for name in ("postgres", "redis", "broker")} == {State.HEALTHY}
    assert of("redis").since is not None


def test_quiet_producers_degrade_those_of_their_tenant() -> None:
    make.api_key(tenant="acme")
    assert of("producers").state == State.HEALTHY
    ApiKey.objects.update(
        usual_gap=timedelta(minutes=1), gaps=100, last_published_at=Now() - timedelta(hours=1)
    )
    row = ApiKey.objects.get()
    assert of("producers", tenant="acme") == Health(
        "producers",
        State.DEGRADED,
        f"1 quiet for longer than their habit: {row.name}",
        row.last_published_at,
    )
    assert of("producers", tenant="other").state == State.HEALTHY


def test_endpoints_are_counted_by_the_state_of_their_breakers() -> None:
    first, second, third = (make.subscription(tenant="acme") for _ in range(3))
    assert of("endpoints").state == State.HEALTHY
    operate.open_breaker(actor=ACTOR, subscription=first.id, seconds=60)
    operate.pause(actor=ACTOR, subscription=second.id)
    found = of("endpoints")
    assert (found.state, found.reason) == (State.DEGRADED, "1 open, 1 closed")
    assert found.since is not None
    assert of("endpoints", tenant="other").state == State.HEALTHY
    Subscription.objects.filter(id=third.id).update(state="disabled", state_by="redrive")
    assert of("endpoints").reason == "1 open, 1 disabled, 0 closed"
    assert of("endpoints").state == State.DOWN


def test_a_process_that_is_gone_is_shown_with_since_when() -> None:
    beat("idle one", Role.WORKER, doing="idle", load={})
    silent("idle one", 300)
    shown = pages.text_of(pages.signed_in(Person.VIEWER).get(reverse("health")))
    assert "<td>gone since <time" in shown
    assert "<td>idle" not in shown
