"""Finding events by what they say: in their list, in search, over REST."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from events import jobs, searching
from events.engine import text
from events.roles import Role
from events.rules import ids
from events.rules.ids import Prefix, encode
from tests import make, pages
from tests.rest import of_tenant, operator

pytestmark = pytest.mark.django_db(transaction=True)


def said(*bodies: bytes, **fields: object) -> list[UUID]:
    """Events a minute old that say something, indexed; oldest first."""
    base = ids.first_at(timezone.now() - timedelta(minutes=1)).int
    events = [
        make.event(id=UUID(int=base + (number << 4)), data=body, **fields)
        for number, body in enumerate(bodies)
    ]
    make.published(*events)
    jobs.start_due({searching.JOB: 0.0})
    jobs.remember(searching.JOB, {})
    text.index()
    return [event.id for event in events]


def listed(client: Client, **query: str) -> list[UUID]:
    response = client.get(reverse("events"), query)
    assert response.status_code == 200
    return [item.event.id if hasattr(item, "event") else item.row.id for item in rows_of(response)]


def rows_of(response: object) -> list[object]:
    return list(response.context["rows"])  # type: ignore[attr-defined]


def test_an_operator_finds_events_by_payload_and_a_viewer_does_not() -> None:
    [event, _] = said(b'{"card":"4711"}', b'{"card":"1"}', subject="ord_7")
    assert listed(pages.signed_in(Role.OPERATOR), q="4711") == [event]
    assert listed(pages.signed_in(Role.VIEWER), q="4711") == []


def test_words_and_the_other_filters_hold_together() -> None:
    [first, *_] = said(b"alpha", subject="s1", type="order.paid")
    [second, *_] = said(b"alpha beta", subject="s2", type="order.sent")
    client = pages.signed_in(Role.OPERATOR)
    assert listed(client, q="alpha") == [second, first]
    assert listed(client, q="alpha", type="order.paid") == [first]
    assert listed(client, q="alpha", subject="s2") == [second]
    assert listed(client, q="alpha beta gamma") == []
    assert listed(client, q="...") == []


def test_many_hits_are_walked_page_by_page_and_skip_nothing() -> None:
    wanted = said(*(b"many" for _ in range(100)))[::-1]
    client = pages.signed_in(Role.OPERATOR)
    seen, query = listed(client, q="many"), {"q": "many"}
    while older := client.get(reverse("events"), query).context["page"].older:
        query["before"] = older
        seen += listed(client, **query)
    assert seen == wanted


def test_the_page_says_how_far_was_searched_and_counts_its_queries() -> None:
    said(*(b"word" for _ in range(50)))
    client = pages.signed_in(Role.OPERATOR)
    client.get(reverse("events"), {"q": "word"})
    with pages.at_most(13):
        shown = pages.text_of(client.get(reverse("events"), {"q": "word"}))
    assert "Searched: all that came in until" in shown


def test_a_file_holds_what_was_searched_for() -> None:
    [event, _] = said(b"alpha", b"beta")
    response = pages.signed_in(Role.OPERATOR).get(
        reverse("events"), {"q": "alpha", "export": "jsonl"}
    )
    body = b"".join(response.streaming_content).decode()
    assert body.count("\n") == 1
    assert encode(Prefix.EVENT, event) in body


def test_search_offers_events_that_say_it_and_the_list_of_all() -> None:
    [event, _] = said(b'{"note":"kettle"}', b"other")
    client = pages.signed_in(Role.OPERATOR)
    hits = client.get(reverse("search"), {"q": "kettle"}).context["hits"]
    assert [hit.kind for hit in hits] == ["says it", "list"]
    assert hits[0].href == reverse("event", args=[event])
    assert urlsplit(hits[1].href).query == "q=kettle"
    assert (
        pages.signed_in(Role.VIEWER).get(reverse("search"), {"q": "kettle"}).context["hits"] == []
    )


def test_search_that_is_switched_off_offers_nothing(settings: Settings) -> None:
    said(b"kettle")
    settings.REDRIVE_SEARCH = False
    client = pages.signed_in(Role.OPERATOR)
    assert client.get(reverse("search"), {"q": "kettle"}).context["hits"] == []
    assert 'id="id_q"' not in pages.text_of(client.get(reverse("events")))


def test_the_api_finds_by_words_within_a_tenant_and_pages_through_them() -> None:
    mine = said(*(b"kettle" for _ in range(5)), tenant="acme")[::-1]
    said(b"kettle", tenant="other")
    rest = of_tenant("acme")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = rest.get("events", q="kettle", limit=2, **cursor).json
        seen += [one["id"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [encode(Prefix.EVENT, one) for one in mine]
    assert len(operator().get("events", q="kettle").json["data"]) == 6
    assert operator().get("events", q="nosuchword").json["data"] == []
