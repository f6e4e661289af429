"""A claim whose snapshot is older than the lane that it comes to hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.models import F

from events import statements
from events.engine import claim as claiming
from events.engine.record import record
from events.models import OwedDelivery
from events.rules.outcome import Responded
from tests import make

pytestmark = pytest.mark.usefixtures("lawful")

CAP = 5
HOLD, LET_GO = "SELECT pg_advisory_lock(77)", "SELECT pg_advisory_unlock(77)"
WAITS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
GATE = "FROM walk\n    JOIN events_lane"
WAITING_GATE = """FROM (
        SELECT walk.* FROM walk, (SELECT pg_advisory_xact_lock(77)) AS held OFFSET 0
    ) AS walk JOIN events_lane"""


@contextmanager
def late_claim(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A claim that has its snapshot when the block begins, and takes its lanes when it ends."""
    with connection.cursor() as cursor:
        cursor.execute(HOLD)
    quick = claiming.CLAIM
    assert GATE in quick
    monkeypatch.setattr(claiming, "CLAIM", quick.replace(GATE, WAITING_GATE))
    late = threading.Thread(target=_claim_all, daemon=True)
    late.start()
    while not statements.rows(WAITS, {}):
        """It has its snapshot, and no lane yet."""
    monkeypatch.setattr(claiming, "CLAIM", quick)
    yield
    with connection.cursor() as cursor:
        cursor.execute(LET_GO)
    late.join()


@pytest.mark.parametrize("priority", [0, 1])
def test_a_claim_that_comes_late_to_a_lane_counts_what_was_taken_meanwhile(
    monkeypatch: pytest.MonkeyPatch, priority: int
) -> None:
    make.subscription(max_concurrency=CAP)
    make.published(*[make.event() for _ in range(3 * CAP)])
    with late_claim(monkeypatch):
        make.published(*[make.event(priority=priority) for _ in range(CAP)])
        assert len(make.claims()) == CAP
    assert OwedDelivery.objects.filter(state="in_flight").count() == CAP


def test_a_claim_that_comes_late_sends_nothing_beside_another_of_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make.subscription(ordered=True)
    make.published(make.event(ordering_key="k"))
    with late_claim(monkeypatch):
        make.published(make.event(ordering_key="k"))
        # It began first and committed last: its key's turn is its own.
        overtaken = OwedDelivery.objects.order_by("-id")[:1].values("id")
        minute = timedelta(minutes=1)
        OwedDelivery.objects.filter(id__in=overtaken).update(created_at=F("created_at") - minute)
        assert len(make.claims()) == 1
    assert OwedDelivery.objects.filter(state="in_flight").count() == 1


def test_a_claim_that_comes_late_sends_nothing_to_an_endpoint_that_is_gone_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make.subscription(max_concurrency=1)
    make.published(make.event(), make.event())
    [taken] = make.claims()
    with late_claim(monkeypatch):
        record([make.result(taken, Responded(410))], worker="one")
    assert not OwedDelivery.objects.filter(state="in_flight").exists()


def _claim_all() -> None:
    try:
        make.claims()
    finally:
        connections.close_all()
