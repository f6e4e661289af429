"""What a page costs does not grow with what is stored: the same queries over 10 and 10,000 rows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter, Signature
from events import seeding
from events.models import Event
from events.roles import Role
from monitoring import samples
from tests import pages
from tests.queries import counted

pytestmark = pytest.mark.django_db(transaction=True)

MOST = 14
"""Queries of a page with its session, its user and what the header shows."""

KILOBYTES_60 = 60_000


def fill(events: int, dead: int) -> None:
    start = timezone.now() - seeding.SPREAD
    for _ in seeding.seed(seeding.Wanted(events=events, dead=dead, start=start)):
        """Chunk by chunk."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    samples.take(None)


def paths() -> dict[str, str]:
    """Every page over rows of which there may be very many, by what it is."""
    letter = DeadLetter.objects.latest("id")
    event, group = Event.objects.latest("id"), Signature.objects.with_open()[0]
    names = ("overview", "events", "deliveries", "dead-letters", "dead-letters-all", "audit")
    of_one = {
        "event": event.id,
        "delivery": letter.id,
        "dead-letter": letter.id,
        "dead-letter-group": group.id,
        "subscription": letter.subscription,
    }
    return (
        {name: reverse(name) for name in names}
        | {name: reverse(name, args=[one]) for name, one in of_one.items()}
        | {
            "events that say": f"{reverse('events')}?q=seeded",
            "dead deliveries": f"{reverse('deliveries')}?state=dead",
            "missed": reverse("event-missed", args=[event.id]),
            "dry run": f"{reverse('replay-new')}?source=dead_letters",
            "dry run, one by one": f"{reverse('replay-new-counted')}?source=dead_letters",
            "search": f"{reverse('search')}?q=order",
        }
    )


def costs(client: Client) -> dict[str, int]:
    """The queries of each page."""
    found = {}
    for name, path in paths().items():
        with counted() as asked:
            response = client.get(path)
        assert response.status_code == 200, path
        assert len(response.content) < KILOBYTES_60, path
        found[name] = len(asked)
    return found


def test_ten_thousand_rows_cost_the_queries_of_ten() -> None:
    client = pages.signed_in(Role.ADMIN)
    fill(10, 3)
    costs(client)  # The first look of a process reads more: what it keeps for a second.
    few = costs(client)
    fill(10_000, 2_000)
    many = costs(client)
    assert DeadLetter.objects.count() == 2_003
    assert {name: n for name, n in many.items() if n > MOST} == {}
    assert {name: (few[name], n) for name, n in many.items() if n > few[name]} == {}
