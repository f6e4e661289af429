"""The list of subscriptions as lanes: what each owes, since when, when it is done, and its day."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from events import operate
from events.models import OwedDelivery, Subscription
from events.roles import Role
from events.rules.outcome import Responded
from monitoring import samples
from monitoring.lanes import CELLS, first_cell, health_of
from monitoring.models import LaneQuarter
from monitoring.models.lane import BUCKETS, QUARTER
from monitoring.strips import strips_of
from tests import make, pages

pytestmark = pytest.mark.django_db

MANY = """
INSERT INTO events_subscription (id, name, url, types, filter, state, state_reason, state_by,
    state_since, schedule, timeout, max_concurrency, adaptive, ordered, headers, authentication,
    credentials, format, created_at, updated_at, version)
SELECT gen_random_uuid(), 'lane ' || n, url, types, filter, state, state_reason, state_by,
    state_since, schedule, timeout, max_concurrency, adaptive, ordered, headers, authentication,
    credentials, format, created_at, updated_at, version
FROM events_subscription, generate_series(1, %s) AS n LIMIT %s
"""


def quarter(lane: UUID, at: datetime, *, attempts: int, failures: int = 0) -> None:
    LaneQuarter.objects.create(
        subscription=lane,
        at=at,
        attempts=attempts,
        failures=failures,
        histogram=[attempts] + [0] * len(BUCKETS),
    )


def row_of(client: Client, to: Subscription) -> str:
    """The text of one row, without markup."""
    shown = pages.text_of(client.get(reverse("subscriptions")))
    [row] = [one for one in shown.split("<tr ") if to.public_id in one]
    return " ".join(re.sub(r"<[^>]+>", " ", row.partition("</tr>")[0]).split())


def test_a_row_says_what_it_owes_since_when_and_when_it_is_done() -> None:
    to = make.subscription(name="Orders")
    make.backlog(to, 30)
    now = timezone.now()
    quarter(to.id, first_cell(now) + QUARTER * (CELLS - 1), attempts=600)
    rate = health_of([to.id], now)[to.id].rate
    assert 600 / 1_800 <= rate <= 600 / 900
    words = row_of(pages.signed_in(Role.VIEWER), to)
    assert re.search(r"\b30\b (now|\d+ s ago) (4[4-9]|[5-8]\d|90) s|\b30\b .* 1 min", words), words


def test_what_is_held_or_does_not_move_has_no_end() -> None:
    paused, still, done = (make.subscription(name=name, types=[name]) for name in "abc")
    make.backlog(paused, 2, type="a")
    make.backlog(still, 2, type="b")
    make.backlog(done, 2, type="c")
    operate.pause(actor=make.ACTOR, subscription=paused.id)
    make.recorded(Responded(200))
    make.backlog(still, 2, type="b")
    client = pages.signed_in(Role.VIEWER)
    assert "paused" in row_of(client, paused).partition("ago")[2] + row_of(client, paused)
    assert "not moving" in row_of(client, still)
    assert "not moving" not in row_of(client, done)


def test_a_day_is_ninety_six_quarters_of_which_those_alike_are_one_line() -> None:
    to, now = make.subscription(), timezone.now()
    first = first_cell(now)
    quarter(to.id, first, attempts=10)
    quarter(to.id, first + QUARTER, attempts=10)
    quarter(to.id, first + QUARTER * 2, attempts=10, failures=10)
    quarter(to.id, first - QUARTER, attempts=99)
    strip = strips_of([to.id], now)[to.id]
    assert strip.paths == {"healthy": "M0 52h11", "failing": "M12 40h5"}
    assert (strip.attempts, strip.failures, strip.bad) == (30, 10, 1)
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse("subscriptions")))
    assert "30 attempts, 10 failed, in 1 of 96 quarters of an hour" in shown


def test_ten_thousand_subscriptions_cost_the_queries_of_ten() -> None:
    make.subscription()
    client = pages.signed_in(Role.ADMIN)

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            response = client.get(reverse("subscriptions"))
        assert len(response.content) < 60_000
        return len(made)

    add(9)
    first = first_cell(timezone.now())
    few = queries()
    add(990)
    add(9_000)
    for lane in Subscription.objects.order_by("-id").values_list("id", flat=True)[:50]:
        for place in range(0, CELLS, 12):
            quarter(lane, first + QUARTER * place, attempts=3, failures=place % 2)
    assert Subscription.objects.count() == 10_000
    assert queries() == few <= 12


def add(many: int) -> None:
    """A small table becomes known as a larger one, or its foreign keys go on to be read in full."""
    with connection.cursor() as cursor:
        cursor.execute(MANY, [many, many])
        cursor.execute("ANALYZE events_subscription")


def test_a_breaker_says_when_it_really_probes() -> None:
    to = make.subscription(name="Orders")
    operate.open_breaker(actor="user:x", subscription=to.id, seconds=600)
    client = pages.signed_in(Role.VIEWER)

    def shown() -> list[str]:
        paths = [
            reverse("overview"),
            reverse("subscriptions"),
            reverse("subscription", args=[to.id]),
        ]
        return [pages.text_of(client.get(path)) for path in paths]

    samples.take(None)
    assert all("nothing is owed: no probe" in page for page in shown())
    make.owed(to)
    OwedDelivery.objects.update(due_at=timezone.now() + timedelta(hours=2))
    assert all("probe with what is due next" in page for page in shown())
    make.owed(to)
    assert all("probe <time" in page for page in shown())
