"""A repeat is explained by what is on record of its requests, and by when they came."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from drills.laws import Evidence
from drills.repeats import Recorded, Repeats, repeats
from events.models import Attempt
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.outcome import Responded
from events.uuids import new_uuid
from tests import make
from tests.integration.test_drill_laws import connect

pytestmark = pytest.mark.django_db(transaction=True)

LEASE = 5.0
HELD, FAILED, LATE, LOST = Recorded
TWICE = "was delivered 2 times by holders of its lease"
TOO_SOON = "was sent again after 1.0 s, while its lease was running"


def recorded(sent: Attempt, record: Recorded) -> UUID:
    """The attempt of one request of the same delivery, as it is on record; gives its id."""
    sent.id = new_uuid()
    sent.late = record is LATE
    sent.verdict = "retry" if record is FAILED else "delivered"
    if record is not LOST:
        sent.save(force_insert=True)
    return sent.id


def lines(*requests: tuple[float, Recorded]) -> list[dict[str, Any]]:
    """What the receiver wrote down of the requests of one delivery, each taken at its second."""
    made = make.owed(make.subscription())
    make.recorded(Responded(200))
    sent = Attempt.objects.get(delivery=made)
    Attempt.objects.filter(delivery=made).delete()
    return [
        {
            "at": at,
            "id": ids.encode(Prefix.DELIVERY, made),
            "status": 200,
            "hop": f"00-{'0' * 32}-{recorded(sent, record).hex[16:]}-01",
        }
        for at, record in requests
    ]


def judged(received: list[dict[str, Any]]) -> Repeats:
    with connect() as database:
        return repeats(Evidence({}, received, [], LEASE, 1, (), database))


@pytest.mark.parametrize(
    "requests",
    [
        [(0, LOST), (5, HELD)],
        [(0, LOST), (2.5, HELD)],
        [(0, FAILED), (0.2, HELD)],
        [(0, LATE), (1, HELD)],
        [(0, HELD), (6, LATE)],
        [(0, LOST), (5, LOST), (10, HELD)],
        [(0, FAILED), (0.2, LOST), (6, LATE)],
    ],
)
def test_a_takeover_is_an_explained_repeat(requests: list[tuple[float, Recorded]]) -> None:
    assert judged(lines(*requests)) == Repeats(len(requests) - 1)


@pytest.mark.parametrize(
    ("requests", "why"),
    [
        ([(0, HELD), (9, HELD)], TWICE),
        ([(0, HELD), (1, LATE), (9, HELD)], TWICE),
        ([(0, LOST), (1, HELD)], TOO_SOON),
        ([(0, LOST), (5, LOST), (6, HELD)], TOO_SOON),
        ([(0, LOST), (1, LATE)], TOO_SOON),
        ([(0, LOST), (2.4, HELD)], TOO_SOON.replace("1.0", "2.4")),
    ],
)
def test_what_is_no_takeover_is_not_explained_and_says_why(
    requests: list[tuple[float, Recorded]], why: str
) -> None:
    received = lines(*requests)

    found = judged(received)

    many = len(requests) - 1
    assert found == Repeats(many, (f"{received[0]['id']} {why}",) * many)
    assert found.explained == 0


def test_requests_of_several_deliveries_and_refused_ones_are_no_repeats() -> None:
    once, refused = lines((0, HELD)), lines((0, FAILED), (0.2, HELD))
    refused[0]["status"] = 500
    assert judged([*once, *lines((1, HELD)), *refused]) == Repeats()


def test_each_delivery_is_judged_by_itself() -> None:
    explained, wrong = lines((0, LOST), (6, HELD)), lines((0, HELD), (1, HELD))
    found = judged([*explained, *wrong])
    assert (found.total, found.explained) == (2, 1)
    assert found.unexplained == (f"{wrong[0]['id']} {TWICE}",)
