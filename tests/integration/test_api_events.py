"""Events over REST: search, read, and the life of one event."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from events import operate
from events.models import FanOut, Lane, OwedDelivery
from events.rules.ids import Prefix, encode
from events.rules.outcome import Responded
from tests import make
from tests.make import ACTOR
from tests.rest import operator

pytestmark = pytest.mark.django_db


def path_of(event: UUID) -> str:
    return f"events/{encode(Prefix.EVENT, event)}"


def ids_of(**query: Any) -> list[str]:
    answer = operator().get("events", **query)
    assert answer.status == 200, answer.body
    return [one["id"] for one in answer.json["data"]]


def public(*events: UUID) -> list[str]:
    return [encode(Prefix.EVENT, one) for one in events]


def told_of(event: UUID) -> Any:
    answer = operator().get(f"{path_of(event)}/timeline")
    assert answer.status == 200, answer.body
    return answer.json


def wait_of(event: UUID) -> Any:
    [delivery] = told_of(event)["deliveries"]
    return delivery["waits_for"]


def test_events_are_listed_newest_first_and_without_their_data() -> None:
    made = make.published(*(make.event(data=b'"secret"') for _ in range(3)))
    answer = operator().get("events")
    assert [one["id"] for one in answer.json["data"]] == public(*reversed(made))
    assert b"secret" not in answer.body


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("order.paid", ["order.paid"]),
        ("order.*", ["order.paid"]),
        ("order.**", ["order.paid", "order.item.added"]),
        ("*.paid", ["order.paid"]),
        ("**", ["order.paid", "order.item.added", "orders"]),
        ("payment.*", []),
    ],
)
def test_events_are_found_by_type_or_pattern(pattern: str, expected: list[str]) -> None:
    make.published(*(make.event(type=t) for t in ("order.paid", "order.item.added", "orders")))
    found = operator().get("events", type=pattern).json["data"]
    assert sorted(one["type"] for one in found) == sorted(expected)


def test_events_are_found_by_source_tenant_producer_id_and_time() -> None:
    [one] = make.published(make.event(source="/a"))
    [two] = make.published(make.event(source="/b", tenant="acme", producer_event_id="o-1"))
    assert ids_of(source="/a") == public(one)
    assert ids_of(tenant="acme") == public(two)
    assert ids_of(producer_event_id="o-1") == public(two)
    now = timezone.now()
    hour = timedelta(hours=1)
    assert ids_of(since=(now - hour).isoformat(), before=(now + hour).isoformat()) == public(
        two, one
    )
    assert ids_of(since=(now + hour).isoformat()) == []
    assert ids_of(before=(now - hour).isoformat()) == []


def test_pages_follow_each_other_without_a_gap_while_events_arrive() -> None:
    made = make.published(*(make.event() for _ in range(5)))
    rest, seen, cursor = operator(), [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = rest.get("events", **query).json
        seen += [one["id"] for one in page["data"]]
        make.published(make.event())
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == public(*reversed(made))


def test_a_cursor_of_another_list_or_filter_is_refused() -> None:
    make.published(*(make.event() for _ in range(3)))
    rest = operator()
    cursor = rest.get("events", limit=1).json["next_cursor"]
    assert rest.get("events", limit=2, cursor=cursor).status == 200
    for path, query in [
        ("events", {"type": "order.paid"}),
        ("deliveries", {}),
        ("dead-letters/groups", {}),
    ]:
        answer = rest.get(path, cursor=cursor, **query)
        assert (answer.status, answer.code) == (400, "bad_cursor")


@pytest.mark.parametrize("cursor", ["x", "", "!!!!", "AAAA", "A" * 27, "A" * 200, "ü", "a\0"])
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    for path in ("events", "deliveries", "dead-letters/groups"):
        assert operator().get(path, cursor=cursor).code == "bad_cursor"


@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ({"limit": "0"}, "invalid_field", "/limit"),
        ({"limit": "201"}, "invalid_field", "/limit"),
        ({"limit": "x"}, "invalid_field", "/limit"),
        ({"type": "a..b"}, "invalid_field", "/type"),
        ({"type": "a\0"}, "invalid_text", "/type"),
        ({"source": "\0"}, "invalid_text", "/source"),
        ({"source": "x" * 1025}, "invalid_field", "/source"),
        ({"since": "yesterday"}, "invalid_field", "/since"),
        ({"since": "0001-01-01T00:00:00Z"}, "invalid_field", "/since"),
        ({"before": "9999-12-31T23:59:59Z"}, "invalid_field", "/before"),
        ({"tpye": "order.paid"}, "unknown_field", "/tpye"),
    ],
)
def test_a_wrong_filter_is_refused_with_its_name(
    query: dict[str, str], code: str, pointer: str
) -> None:
    refused = operator().get("events", **query)
    assert (refused.status, refused.code, refused.pointer) == (422, code, pointer)


@pytest.mark.parametrize(
    "data",
    [
        b'{"big":12345678901234567890123,"f":1.50e+1,"f":2}',
        b' {"a" : [1 ,\n2]} ',
        b'"text"',
        b"null",
    ],
)
def test_json_is_shown_byte_for_byte(data: bytes) -> None:
    [event] = make.published(make.event(data=data, datacontenttype="application/json"))
    answer = operator().get(path_of(event))
    assert b'"data":' + data in answer.body
    assert answer.json["data_base64"] is None


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"\xff\0", "image/png"), (b"{", "application/json"), (b"", None), (b"plain", "text/plain")],
)
def test_what_is_no_json_is_shown_as_base64(data: bytes, kind: str | None) -> None:
    [event] = make.published(make.event(data=data, datacontenttype=kind))
    assert base64.b64decode(operator().get(path_of(event)).json["data_base64"]) == data


def test_an_event_shows_all_its_attributes() -> None:
    fields = {
        "subject": "o/1",
        "time": "2026-02-03T04:05:06+01:00",
        "tenant": "acme",
        "ordering_key": "k",
        "extensions": {"a": 1, "b": True, "c": "x"},
        "producer_event_id": "o-1",
    }
    [event] = make.published(make.event(**fields, priority=0))
    found = operator().get(path_of(event)).json
    assert {name: found[name] for name in fields} == fields
    assert found["priority"] == "high"
    assert found["deliveries"] == 0


def test_a_timeline_tells_deliveries_with_attempts_and_the_next_try() -> None:
    to = make.subscription(name="Shop", schedule=[600])
    [event] = make.published(make.event())
    make.recorded(Responded(500), schedule=[600])
    told = told_of(event)
    assert told["matched"] == 1
    [delivery] = told["deliveries"]
    assert delivery["subscription"] == to.public_id
    assert delivery["subscription_name"] == "Shop"
    assert delivery["state"] == "pending"
    [attempt] = delivery["tries"]
    assert (attempt["status"], attempt["number"], attempt["outcome"]) == (500, 1, "responded")
    assert delivery["waits_for"]["kind"] == "due"
    assert delivery["waits_for"]["until"] == delivery["due_at"]


def test_a_finished_delivery_waits_for_nothing() -> None:
    make.subscription()
    [event] = make.published(make.event())
    make.recorded(Responded(200))
    [delivery] = told_of(event)["deliveries"]
    assert (delivery["state"], delivery["waits_for"]) == ("delivered", None)
    assert delivery["finished_at"] is not None


def test_a_timeline_says_what_a_delivery_waits_for() -> None:
    to = make.subscription()
    [event] = make.published(make.event())
    assert wait_of(event)["kind"] == "worker"
    until = timezone.now() + timedelta(hours=1)
    operate.pause(actor=ACTOR, subscription=to.id, until=until)
    assert wait_of(event)["kind"] == "paused"
    operate.disable(actor=ACTOR, subscription=to.id, reason="test")
    assert wait_of(event)["kind"] == "disabled"
    operate.enable(actor=ACTOR, subscription=to.id)
    operate.open_breaker(actor=ACTOR, subscription=to.id, seconds=60)
    waits = wait_of(event)
    assert waits["kind"] == "breaker"
    assert waits["until"] is not None
    operate.close_breaker(actor=ACTOR, subscription=to.id)
    make.claims()
    assert wait_of(event)["kind"] == "answer"


def test_a_delivery_behind_another_one_in_order_names_it() -> None:
    make.subscription(ordered=True)
    [first] = make.published(make.event(ordering_key="k"))
    [second] = make.published(make.event(ordering_key="k"))
    [other] = make.published(make.event(ordering_key="l"))
    waits = wait_of(second)
    assert waits["kind"] == "order"
    assert waits["behind"] == told_of(first)["deliveries"][0]["id"]
    assert wait_of(first)["kind"] == "worker"
    assert wait_of(other)["kind"] == "worker"


def test_a_full_lane_and_a_spent_rate_are_named() -> None:
    to = make.subscription(max_concurrency=1)
    make.published(make.event())
    make.claims()
    [second] = make.published(make.event())
    assert wait_of(second)["kind"] == "concurrency"
    OwedDelivery.objects.filter(state="in_flight").delete()
    operate.change_subscription(actor=ACTOR, subscription=to.id, fields={"rate_limit": 0.01})
    Lane.objects.filter(pk=to.id).update(tokens=0, tokens_at=timezone.now())
    waits = wait_of(second)
    assert waits["kind"] == "rate"
    assert waits["until"] is not None


@pytest.mark.django_db(transaction=True)
def test_a_timeline_says_who_did_not_get_the_event_and_why() -> None:
    make.subscription(name="filtered", filter="data.n > 5")
    make.subscription(name="other type", types=["payment.*"])
    make.subscription(name="other tenant", tenant="acme")
    [event] = make.published(make.event())
    make.subscription(name="later")
    missed = told_of(event)["not_matched"]
    assert [(one["name"], one["kind"]) for one in missed] == [
        ("filtered", "filter"),
        ("later", "created_later"),
        ("other type", "pattern"),
        ("other tenant", "tenant"),
    ]
    assert "the filter is false" in missed[0]["reason"]


@pytest.mark.django_db(transaction=True)
def test_the_reason_that_was_noted_counts_after_the_filter_changed() -> None:
    to = make.subscription(filter="data.missing > 5")
    [event] = make.published(make.event())
    operate.change_subscription(actor=ACTOR, subscription=to.id, fields={"filter": ""})
    [missed] = told_of(event)["not_matched"]
    assert "there is no field 'missing'" in missed["reason"]


@pytest.mark.django_db(transaction=True)
def test_a_match_that_was_changed_in_afterwards_is_told_apart() -> None:
    to = make.subscription(types=["payment.*"])
    [event] = make.published(make.event())
    operate.change_subscription(actor=ACTOR, subscription=to.id, fields={"types": ["**"]})
    [missed] = told_of(event)["not_matched"]
    assert missed["kind"] == "changed_since"


def test_deliveries_that_are_still_to_be_made_are_counted() -> None:
    to = make.subscription(types=["payment.*"])
    [event] = make.published(make.event())
    FanOut.objects.create(event=event, remaining=[to.id])
    told = told_of(event)
    assert (told["expanding"], told["not_matched"]) == (1, [])
