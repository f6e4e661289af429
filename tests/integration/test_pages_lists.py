"""Lists: filtered by the URL, paged by key, empty with words, exported safely."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from events.console.paging import SIZE
from events.models import Delivery, Event
from events.roles import Role
from tests import make, pages

pytestmark = pytest.mark.django_db

LISTS = ["events", "subscriptions", "deliveries", "dead-letters", "dead-letters-all", "replays",
         "audit"]  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_says_what_to_do(name: str) -> None:
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse(name)))
    assert 'class="empty"' in shown


@pytest.mark.parametrize("name", ["events", "deliveries"])
def test_a_list_is_walked_both_ways_by_key_and_skips_nothing(name: str) -> None:
    make.subscription()
    make.published(*(make.event() for _ in range(120)))
    client = pages.signed_in(Role.VIEWER)
    model = Event if name == "events" else Delivery
    wanted = [row.public_id for row in model.objects.order_by("-id")]
    response, seen = client.get(reverse(name)), list[str]()
    while True:
        page = response.context["page"]
        seen += [row.public_id for row in page.rows]
        if page.older is None:
            break
        response = client.get(reverse(name), {"before": page.older})
    assert seen == wanted
    back = client.get(reverse(name), {"after": page.newer}).context["page"]
    last = len(wanted) // SIZE * SIZE
    assert [row.public_id for row in back.rows] == wanted[last - SIZE : last]


@pytest.mark.parametrize("name", ["events", "deliveries", "subscriptions", "dead-letters-all"])
def test_a_page_of_many_rows_costs_the_queries_of_a_few(name: str) -> None:
    to = make.subscription(max_concurrency=100)
    make.published(make.event())
    make.dead(to, 1)
    client = pages.signed_in(Role.OPERATOR)
    client.get(reverse(name))
    make.dead(to, 70)
    make.backlog(to, 70)
    for number in range(60):
        make.subscription(name=str(number), types=["other"])
    with pages.at_most(12):
        response = client.get(reverse(name))
    assert len(response.content) < 60_000


def test_events_are_filtered_by_what_the_url_says() -> None:
    make.published(
        make.event(type="order.paid", source="/a", tenant="acme", producer_event_id="p-1"),
        make.event(type="order.refund.asked", source="/b"),
        make.event(type="user.made", source="/b"),
    )
    client = pages.signed_in(Role.VIEWER)

    def types(**filters: str) -> list[str]:
        found = client.get(reverse("events"), filters).context["page"].rows
        return sorted(row.type for row in found)

    assert types(type="order.*") == ["order.paid"]
    assert types(type="order.**") == ["order.paid", "order.refund.asked"]
    assert types(source="/b") == ["order.refund.asked", "user.made"]
    assert types(tenant="acme") == ["order.paid"]
    assert types(id="p-1") == ["order.paid"]
    assert len(types(since="1h")) == 3
    assert types(until="1h") == []


def test_a_wrong_filter_is_explained_and_finds_nothing() -> None:
    make.published(make.event())
    response = pages.signed_in(Role.VIEWER).get(reverse("events"), {"type": "a..b", "since": "x"})
    shown = pages.text_of(response)
    assert "There is nothing before, after or between two dots" in shown
    assert "Write 15m, 2h or 7d" in shown
    assert response.context["page"].rows == []


def test_an_export_is_the_whole_filter_and_safe_for_spreadsheets() -> None:
    make.published(*(make.event(subject=f"=cmd|{n}") for n in range(60)), make.event(type="x"))
    client = pages.signed_in(Role.VIEWER)
    response = client.get(reverse("events"), {"type": "order.paid", "export": "csv"})
    lines = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))
    subjects = [line[lines[0].index("subject")] for line in lines[1:]]
    assert len(subjects) == 60
    assert all(subject.startswith("'=cmd") for subject in subjects)
    response = client.get(reverse("events"), {"type": "order.paid", "export": "jsonl"})
    rows = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert len(rows) == 60
    assert rows[0]["subject"] == "=cmd|59"


def test_a_file_of_events_tells_their_size_without_reading_their_data() -> None:
    make.published(make.event(data=b"x" * 5_000))
    client = pages.signed_in(Role.VIEWER)
    with CaptureQueriesContext(connection) as made:
        response = client.get(reverse("events"), {"export": "jsonl"})
        [row] = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert row["bytes"] == 5_000
    read = [query["sql"] for query in made if '"events_event"."type"' in query["sql"]]
    assert read
    for sql in read:
        assert '"events_event"."data"' not in sql.replace('octet_length("events_event"."data")', "")


@pytest.mark.parametrize("name", ["deliveries", "subscriptions", "dead-letters-all", "audit"])
def test_every_list_with_a_filter_exports(name: str) -> None:
    make.dead(make.subscription())
    response = pages.signed_in(Role.VIEWER).get(reverse(name), {"export": "jsonl"})
    assert b"".join(response.streaming_content).count(b"\n") >= 1


def test_nothing_untrusted_becomes_markup() -> None:
    to = make.subscription(name=pages.NASTY, url=f"{make.NOWHERE}?{pages.NASTY}")
    fields = {"source": pages.NASTY, "subject": pages.NASTY, "tenant": pages.NASTY}
    [event] = make.published(
        make.event(type=pages.NASTY, data=pages.NASTY.encode(), producer_event_id="x", **fields)
    )
    [dead] = make.dead(to, body=pages.NASTY.encode())
    client = pages.signed_in(Role.ADMIN)
    found = [
        reverse("events"),
        reverse("event", args=[event]),
        reverse("event-missed", args=[event]),
        reverse("deliveries"),
        reverse("delivery", args=[dead]),
        reverse("subscriptions"),
        reverse("subscription", args=[to.id]),
        reverse("subscription-edit", args=[to.id]),
        reverse("subscription-delete", args=[to.id]),
        reverse("dead-letters"),
        reverse("dead-letters-all"),
        reverse("dead-letter", args=[dead]),
        reverse("audit"),
        reverse("search") + "?q=<script>alert(1)",
        reverse("replay-new") + "?source=dead_letters",
        reverse("replay-new-counted") + "?source=dead_letters",
    ]
    for path in found:
        shown = pages.text_of(client.get(path))
        assert "<script>alert" not in shown, path
        assert "<img src=x" not in shown, path


def test_the_states_of_an_event_read_as_everywhere() -> None:
    make.backlog(make.subscription(), 1)
    make.claims()
    shown = pages.words_of(pages.signed_in(Role.VIEWER).get(reverse("events")))
    assert "1 in flight" in shown
