"""A number on a page is a link, and the list behind it shows what was counted."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from dlq import settle
from dlq.models import DeadLetter, Signature
from dlq.select import Criteria
from events import operate
from events.console.paging import SIZE
from events.engine.record import record
from events.models import OwedDelivery, Subscription
from events.roles import Role
from events.rules.outcome import Blocked, Responded, Unreachable, UnreachableKind
from monitoring import findings, samples
from monitoring.models import Finding, Kind
from tests import make, pages

pytestmark = pytest.mark.django_db

STAT = re.compile(
    r'<span class="label">([^<]+)</span><span class="value"><a href="([^"]+)"[^>]*>([\d,]+)</a>'
)


def world() -> list[Subscription]:
    """A lane that flows and one that does not, each with another number of every kind."""
    made = [make.subscription(name=n, types=[n], max_concurrency=100) for n in ("flows", "parked")]

    def owe(many: int) -> list[UUID]:
        return [one for to in made for one in make.backlog(to, many, type=to.name)]

    owe(6)
    make.recorded(Responded(422))
    owe(5)
    make.recorded(Responded(200))
    owe(4)
    make.claims()
    OwedDelivery.objects.filter(id__in=owe(3)).update(due_at=Now() + timedelta(hours=1))
    for one in owe(1):
        operate.cancel(actor=make.ACTOR, delivery=one)
    owe(2)
    operate.open_breaker(actor=make.ACTOR, subscription=made[1].id, seconds=600)
    return made


def numbers(shown: str) -> dict[str, tuple[str, int]]:
    """Of each number on a page: where it leads, and what it says."""
    found = STAT.findall(shown)
    return {
        label.lower(): (html.unescape(href), int(n.replace(",", ""))) for label, href, n in found
    }


def listed(client: Client, href: str) -> int:
    return len(client.get(href).context["page"].rows)


def test_each_number_of_the_ledger_opens_what_it_counts() -> None:
    world()
    settle.discard(Criteria(ids=(DeadLetter.objects.all()[0].id,)), actor="user:a")
    samples.take(None)
    client = pages.signed_in(Role.VIEWER)
    found = numbers(pages.text_of(client.get("/")))
    said = {label: n for label, (_, n) in found.items()}
    assert said == {
        "accepted": 42,
        "delivered": 10,
        "in flight": 8,
        "due": 2,
        "retry later": 6,
        "parked": 2,
        "dead": 12,
        "cancelled": 2,
    }
    for label, (href, n) in found.items():
        assert listed(client, href) == min(n, SIZE), label


@pytest.mark.parametrize("number", [0, 1])
def test_each_number_of_a_subscription_opens_what_it_counts(number: int) -> None:
    to = world()[number]
    client = pages.signed_in(Role.VIEWER)
    found = numbers(pages.text_of(client.get(reverse("subscription", args=[to.id]))))
    assert set(found) == {"owed", "in flight", "delivered", "dead", "cancelled", "accepted"}
    assert found["owed"][1] == 9
    for label, (href, n) in found.items():
        assert listed(client, href) == n, label


def test_a_lane_of_the_overview_opens_what_is_due_there_and_what_is_tried_later() -> None:
    world()
    samples.take(None)
    client = pages.signed_in(Role.VIEWER)
    lanes = pages.text_of(client.get("/")).partition('id="ov-lanes"')[2].partition("</table>")[0]
    links = re.findall(r'href="(/deliveries/[^"]+)"[^>]*>(\d+)</a>', lanes)
    assert sorted(int(n) for _, n in links) == [2, 2, 3, 3]
    for href, n in links:
        assert listed(client, html.unescape(href)) == int(n), href


def test_breakers_and_dead_letters_of_the_overview_open_all_of_them() -> None:
    _, parked = world()
    for number in range(7):
        row = make.subscription(name=f"open {number}", types=["none"])
        operate.open_breaker(actor=make.ACTOR, subscription=row.id, seconds=600)
    operate.pause(actor=make.ACTOR, subscription=parked.id)
    samples.take(None)
    client = pages.signed_in(Role.VIEWER)
    shown = pages.text_of(client.get("/"))
    counted = shown.partition('id="ov-breakers"')[2]
    links = re.findall(r'href="(/subscriptions/\?[^"]+)">(?:All )?(\d+)</a>', counted)
    assert [n for _, n in links] == ["7", "7"]
    for href, n in links:
        assert listed(client, html.unescape(href)) == int(n)
    for group in Signature.objects.all():
        assert f'href="/dead-letters/groups/{group.id}/"' in shown
        assert listed(client, f"/dead-letters/all/?group={group.id}") == group.open


def test_a_group_counts_its_open_letters_and_all_it_ever_had() -> None:
    make.dead(make.subscription(), 3)
    group = Signature.objects.get()
    first = group.letters.order_by("id")[0]
    settle.discard(Criteria(ids=(first.id,)), actor="user:a")
    client = pages.signed_in(Role.VIEWER)
    found = numbers(pages.text_of(client.get(reverse("dead-letter-group", args=[group.id]))))
    assert {label: n for label, (_, n) in found.items()} == {"open": 2, "ever": 3}
    for label, (href, n) in found.items():
        assert listed(client, href) == n, label


def test_what_became_of_an_event_opens_its_deliveries_in_that_state() -> None:
    to = make.subscription(name="one")
    make.subscription(name="two")
    make.owed(to)
    client = pages.signed_in(Role.VIEWER)
    shown = pages.text_of(client.get(reverse("events")))
    pattern = r'<a href="(/deliveries/\?event=[^"]+)".*?(\d+) pending</a>'
    [(href, n)] = re.findall(pattern, shown, re.DOTALL)
    assert (listed(client, html.unescape(href)), int(n)) == (2, 2)


def test_a_fault_of_ours_opens_the_deliveries_that_met_it() -> None:
    to = make.subscription()
    make.backlog(to, 3)
    outcomes = [
        Blocked("10.0.0.1"),
        Unreachable(UnreachableKind.RESOLVER, ""),
        Unreachable(UnreachableKind.REFUSED, "in a name resolver failure"),
    ]
    for claim, outcome in zip(make.claims(), outcomes, strict=True):
        record([make.result(claim, outcome)], worker="one")
    samples.take(None)
    findings.judge()
    client = pages.signed_in(Role.VIEWER)
    assert listed(client, "/deliveries/?fault=ours") == 2
    href = Finding.objects.filter(kind=Kind.OUR_FAULT).values_list("href", flat=True)
    assert set(href) <= {"/deliveries/?fault=ours"}
