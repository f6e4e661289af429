"""All the subscriptions that did not get an event, a page at a time, each with its reason."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.urls import reverse
from django.utils import timezone

from events import operate
from events.console.paging import SIZE
from events.models import Event
from events.probe import TEST_TYPE
from events.roles import Role
from events.rules import ids
from events.rules.ids import Prefix
from events.timeline import DELIVERIES_SHOWN, timeline, unmet
from tests import make, pages

pytestmark = pytest.mark.django_db

MANY = 2 * SIZE + 3


def published() -> UUID:
    [event] = make.published(make.event(data=b'{"total": 20}', datacontenttype="application/json"))
    return event


def missed_by_many() -> tuple[UUID, list[str]]:
    """An event that one subscription got, and the public ids of all that did not, newest first."""
    made = [make.subscription(filter=f"data.total > {100 + n}") for n in range(MANY - 1)]
    made.append(make.subscription(types=["user.*"]))
    make.subscription(name="got it")
    return published(), [row.public_id for row in reversed(made)]


def test_the_number_on_the_why_page_opens_all_that_it_counts_walked_both_ways() -> None:
    event, wanted = missed_by_many()
    client = pages.signed_in(Role.VIEWER)
    shown = pages.text_of(client.get(reverse("event", args=[event])))
    [(path, number)] = re.findall(r'<a href="([^"]+)">All (\d+) that did not get it</a>', shown)
    assert int(number) == MANY
    response, seen = client.get(path), list[str]()
    while True:
        page = response.context["page"]
        seen += [row.public_id for row in page.rows]
        if page.older is None:
            break
        response = client.get(path, {"before": page.older})
    assert seen == wanted
    back = client.get(path, {"after": page.newer}).context["page"]
    assert [row.public_id for row in back.rows] == wanted[SIZE : 2 * SIZE]


def test_a_few_are_all_on_the_why_page() -> None:
    make.subscription(types=["user.*"])
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse("event", args=[published()])))
    assert "that did not get it" not in shown


@pytest.mark.django_db(transaction=True)
def test_each_names_its_rule_and_the_value_it_met_to_those_who_may_see_it() -> None:
    make.subscription(filter="data.total > 100")
    make.subscription(types=["user.*"])
    event = published()
    make.subscription()
    path = reverse("event-missed", args=[event])
    seen, told = (
        html.unescape(pages.text_of(pages.signed_in(role).get(path)))
        for role in (Role.VIEWER, Role.OPERATOR)
    )
    for words in (
        "It was created after the event was accepted.",
        "None of its patterns covers order.paid: user.*.",
        "Its filter does not let the event through: the filter is false.",
        "data.total > 100",
    ):
        assert words in seen, words
        assert words in told, words
    assert "Here data.total is 20." in told
    assert "data.total is" not in seen


def test_it_costs_the_queries_of_a_few_and_a_long_filter_does_not_fill_it() -> None:
    for number in range(SIZE + 1):
        make.subscription(filter=f"data.total > {100 + number} && type != '{'x' * 1_900}'")
    path = reverse("event-missed", args=[published()])
    client = pages.signed_in(Role.OPERATOR)
    with pages.at_most(12):
        response = client.get(path)
    assert len(response.context["page"].rows) == SIZE
    assert len(response.content) < 60_000


def test_who_got_it_did_not_miss_it_however_many_there_are() -> None:
    for _ in range(DELIVERIES_SHOWN + 3):
        make.subscription()
    event = Event.objects.get(id=published())
    told = timeline(event, tenant=None)
    assert (told.more, told.missed, told.misses) == (True, 0, [])
    assert not unmet(event, tenant=None).exists()
    path = reverse("event-missed", args=[event.id])
    assert "Nobody missed it" in pages.text_of(pages.signed_in(Role.VIEWER).get(path))


def test_a_deleted_subscription_is_not_listed() -> None:
    gone = make.subscription(types=["user.*"])
    event = published()
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    assert not unmet(Event.objects.get(id=event), tenant=None).exists()


def test_a_tenant_is_told_of_its_own_subscriptions_alone() -> None:
    own = make.subscription(tenant="acme", types=["user.*"])
    make.subscription(tenant="other", types=["user.*"])
    make.subscription(types=["user.*"])
    [made] = make.published(make.event(tenant="acme"))
    event = Event.objects.get(id=made)
    assert list(unmet(event, tenant="acme")) == [own]
    assert [miss.subscription for miss in timeline(event, tenant="acme").misses] == [own]


def test_nobody_missed_a_test_of_one_subscription() -> None:
    make.subscription(types=["user.*"])
    [event] = make.published(make.event(type=TEST_TYPE))
    path = reverse("event-missed", args=[event])
    assert "Nobody missed it" in pages.text_of(pages.signed_in(Role.VIEWER).get(path))


def test_of_an_event_that_expired_it_says_so_and_of_an_unknown_one_nothing() -> None:
    client, now = pages.signed_in(Role.VIEWER), timezone.now()
    for age, status in ((timedelta(days=900), 410), (timedelta(), 404)):
        event = ids.encode(Prefix.EVENT, ids.first_at(now - age))
        assert client.get(f"/events/{event}/missed/").status_code == status
