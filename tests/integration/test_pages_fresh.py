"""Lists that stand still: how many rows are newer, and their own rows as they are now."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from events.console.paging import SIZE
from events.models import Delivery, Event
from events.roles import Role
from events.rules.outcome import Responded
from tests import make, pages

pytestmark = pytest.mark.django_db

KINDS = {"events": Event, "deliveries": Delivery}


def ask(client: Client, name: str, newest: str, rows: str = "", **filters: Any) -> str:
    path = reverse(f"{name}-fresh")
    with pages.at_most(12):
        response = client.get(path, {"newest": newest, "rows": rows, **filters})
    assert response.status_code == 200
    return pages.text_of(response)


@pytest.mark.parametrize("name", list(KINDS))
def test_newer_rows_are_a_number_with_a_link_to_the_first_page(name: str) -> None:
    make.subscription()
    make.published(make.event())
    client = pages.signed_in(Role.VIEWER)
    page = client.get(reverse(name), {"type": "order.*"})
    newest = page.context["newest"]
    assert newest == KINDS[name].objects.get().public_id
    assert page.context["watch"] == [newest]
    assert 'data-count="0"' in ask(client, name, newest, type="order.*")
    make.published(make.event(), make.event(), make.event(type="user.made"))
    shown = ask(client, name, newest, type="order.*")
    assert "2 new — show" in shown
    assert f'href="{reverse(name)}?type=order.%2A"' in shown


@pytest.mark.parametrize("name", list(KINDS))
def test_more_than_ninety_nine_are_not_counted(name: str) -> None:
    make.subscription()
    make.published(*(make.event() for _ in range(120)))
    client = pages.signed_in(Role.VIEWER)
    oldest = KINDS[name].objects.earliest("id").public_id
    assert "99+ new — show" in ask(client, name, oldest)
    assert "99+ new — show" in ask(client, name, "none")


@pytest.mark.parametrize("name", list(KINDS))
def test_a_page_further_back_counts_nothing(name: str) -> None:
    make.subscription()
    make.published(*(make.event() for _ in range(60)))
    client = pages.signed_in(Role.VIEWER)
    older = client.get(reverse(name)).context["page"].older
    page = client.get(reverse(name), {"before": older})
    assert page.context["newest"] == ""
    assert 'id="newer"' not in pages.text_of(page)
    assert 'id="newer"' not in ask(client, name, "")


def test_a_row_that_changed_comes_alone_and_also_when_the_filter_finds_it_no_more() -> None:
    make.subscription()
    one, two = make.published(make.event(), make.event())
    client = pages.signed_in(Role.OPERATOR)
    make.recorded(Responded(200))
    row = Delivery.objects.get(event=two)
    shown = ask(client, "deliveries", row.public_id, row.public_id, state="pending")
    assert shown.count("<template>") == 1
    assert f'<tr id="{row.public_id}"' in shown
    assert "delivered" in shown
    assert "data-hold" in shown
    event = Event.objects.get(id=one)
    shown = ask(client, "events", event.public_id, event.public_id)
    assert f'<tr id="{event.public_id}"' in shown
    assert "1 delivered" in shown


@pytest.mark.parametrize("name", list(KINDS))
def test_a_whole_page_of_rows_costs_no_more_queries_than_one(name: str) -> None:
    make.subscription()
    make.published(*(make.event() for _ in range(80)))
    client = pages.signed_in(Role.VIEWER)
    rows = ",".join(row.public_id for row in KINDS[name].objects.order_by("-id")[:60])
    shown = ask(client, name, "none", rows)
    assert shown.count("<template>") == SIZE
    assert ask(client, name, "none", "evt_x,,sub_1").count("<template>") == 0


@pytest.mark.parametrize("name", list(KINDS))
def test_an_empty_list_hears_of_its_first_row(name: str) -> None:
    make.subscription()
    client = pages.signed_in(Role.VIEWER)
    assert client.get(reverse(name)).context["newest"] == "none"
    make.published(make.event())
    assert "1 new — show" in ask(client, name, "none")


def test_a_wrong_filter_finds_nothing_newer() -> None:
    make.published(make.event())
    assert 'data-count="0"' in ask(pages.signed_in(Role.VIEWER), "events", "none", since="x")
