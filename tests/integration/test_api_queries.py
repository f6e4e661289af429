"""What an answer costs: as many queries for a full page as for one row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from events.rules.ids import Prefix, encode
from events.rules.outcome import Responded
from tests import make
from tests.rest import operator

pytestmark = pytest.mark.django_db

LISTS = {
    "events": 1,
    "subscriptions": 2,
    "deliveries": 1,
    "dead-letters": 1,
    "dead-letters/groups": 1,
    "replays": 1,
    "bulk": 1,
}


def queries(path: str, **query: Any) -> int:
    """Of a caller whose key is known already."""
    rest = operator()
    assert rest.get(path, **query).status == 200
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert rest.get(path, **query).status == 200
    return len(captured)


def grow() -> None:
    """Something on every list, in several lanes."""
    for status in (500, 404):
        to = make.subscription(types=[f"t{status}"], schedule=[])
        make.owed(to, type=f"t{status}")
        make.recorded(Responded(status))
        make.owed(to, type=f"t{status}")
    rest = operator()
    assert rest.post("replays", {"source": "dead_letters"}).status == 202
    assert rest.post("deliveries/retry", {}).status == 202


@pytest.mark.parametrize(("path", "most"), LISTS.items())
def test_a_list_costs_the_same_however_long_it_is(path: str, most: int) -> None:
    grow()
    assert queries(path) == most
    grow()
    assert queries(path) == most


@pytest.mark.parametrize("make_path", [lambda e: f"events/{e}", lambda e: f"events/{e}/timeline"])
def test_an_event_costs_the_same_however_many_got_it(make_path: Callable[[str], str]) -> None:
    make.subscription(filter="data.n > 5")
    make.subscription()
    [few] = make.published(make.event())
    cost = queries(make_path(encode(Prefix.EVENT, few)))
    for _ in range(5):
        make.subscription(filter="data.n > 5")
        make.subscription()
    [many] = make.published(make.event())
    assert queries(make_path(encode(Prefix.EVENT, many))) == cost <= 8


def test_a_delivery_and_the_status_cost_a_few_queries() -> None:
    to = make.subscription()
    delivery = make.owed(to)
    assert queries(f"deliveries/{encode(Prefix.DELIVERY, delivery)}") <= 5
    assert queries(f"subscriptions/{to.public_id}") == 2
    assert queries("status") <= 8
