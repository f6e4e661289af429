"""The laws of the drills see what breaks them: what is held, tried too often, or grown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from drills.drill import CROWDED, LEAST, Fault, Repeating, crowding
from drills.laws import Evidence, sent_while_held, tried_too_often
from drills.processes import Use, grown
from drills.spans import Span, Watch
from events.models import Attempt, AuditEntry, Lane, Subscription
from events.rules.outcome import Responded
from events.uuids import new_uuid
from tests import make
from tests.faults import conninfo

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
MB = 1024**2


def connect() -> psycopg.Connection[Any]:
    """Past Django: a watch connects from a thread of its own."""
    return psycopg.connect(conninfo(), autocommit=True)


@pytest.fixture
def database() -> Iterator[psycopg.Connection[Any]]:
    with connect() as found:
        yield found


def sent(to: Subscription, *, ago: timedelta, **fields: Any) -> Attempt:
    """One attempt that began so long ago."""
    delivery = make.owed(to, **fields)
    make.recorded(Responded(200))
    Attempt.objects.filter(delivery=delivery).update(started_at=timezone.now() - ago)
    return Attempt.objects.get(delivery=delivery)


def evidence(database: psycopg.Connection[Any], to: Subscription, *spans: Span) -> Evidence:
    return Evidence({}, [], [to.id], 5.0, 1, spans, database)


def paused(to: Subscription, *, begin: timedelta, end: timedelta) -> None:
    for action, ago in (("pause", begin), ("resume", end)):
        AuditEntry.objects.create(
            at=timezone.now() - ago, actor="a", action=action, target=to.public_id
        )


def test_a_send_within_a_pause_is_seen_and_one_before_it_holds_is_not(
    database: psycopg.Connection[Any],
) -> None:
    to = make.subscription()
    paused(to, begin=20 * SECOND, end=10 * SECOND)
    sent(to, ago=19 * SECOND)
    sent(to, ago=9 * SECOND)
    assert list(sent_while_held(evidence(database, to))) == []

    sent(to, ago=15 * SECOND)
    [words] = sent_while_held(evidence(database, to))
    assert words == f"1 sends to {to.public_id} began while it was paused"


def test_an_open_breaker_is_watched_from_outside(database: psycopg.Connection[Any]) -> None:
    to = make.subscription()
    Lane.objects.update(state="open", retry_at=timezone.now() + 60 * SECOND)
    with Watch(connect) as watch:
        while not watch.spans:
            pass
    [span] = watch.spans
    assert span.lane == to.id

    sent_at = Span(to.id, span.why, span.start - 20 * SECOND, span.end)
    Lane.objects.update(state="closed", retry_at=None)
    sent(to, ago=5 * SECOND)
    assert len(list(sent_while_held(evidence(database, to, sent_at)))) == 1


def test_breakers_that_nobody_could_look_at_are_not_taken_for_closed() -> None:
    tried = threading.Event()

    def refused() -> psycopg.Connection[Any]:
        tried.set()
        raise psycopg.OperationalError("no")

    with Watch(refused) as blind:
        assert tried.wait(10)
    with Watch(connect) as watch:
        while not watch.looked:
            pass
    assert (blind.looked, blind.spans, watch.spans) == (False, [], [])


def test_a_lane_is_held_to_its_own_pauses_and_its_own_sends(
    database: psycopg.Connection[Any],
) -> None:
    to, other = make.subscription(types=["to"]), make.subscription(types=["other"])
    paused(to, begin=20 * SECOND, end=10 * SECOND)
    paused(other, begin=9 * SECOND, end=8 * SECOND)
    sent(other, ago=15 * SECOND, type="other")
    assert list(sent_while_held(evidence(database, to))) == []
    sent(to, ago=15 * SECOND, type="to")
    assert list(sent_while_held(evidence(database, other))) == []
    assert len(list(sent_while_held(evidence(database, to)))) == 1


def test_more_attempts_than_the_schedule_has_are_seen(
    database: psycopg.Connection[Any],
) -> None:
    to = make.subscription()
    attempt = sent(to, ago=SECOND)
    assert list(tried_too_often(evidence(database, to))) == []

    attempt.id = new_uuid()
    attempt.save(force_insert=True)
    [words] = tried_too_often(evidence(database, to))
    assert "was tried 2 times, not 1" in words


def test_a_process_that_is_gone_or_holds_more_is_named() -> None:
    first = {"web": Use(2, 50, 100 * MB)}

    assert list(grown(first, {"web": Use(3, 300, 200 * MB)})) == []
    assert list(grown(first, {"web": Use(1, 500, 300 * MB)})) == [
        "1 of 2 web processes are up",
        "a web process has 500 handles, 50 at first",
        "a web process has 300 MB, 100 MB at first",
    ]


def test_a_fault_has_three_times_its_time_and_more_on_a_crowded_machine() -> None:
    def fault(back: float) -> Fault:
        return Fault("x", "y", lambda _rig: "", back, Repeating.NEVER)

    assert (fault(0).limit(), fault(5).limit(), fault(5).limit(2.0)) == (LEAST, 15, 30)
    assert 1.0 <= crowding() <= CROWDED
