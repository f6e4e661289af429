"""Every form of publish, and what its producer hears."""

from __future__ import annotations

import msgspec
import pytest

from events.models import Event, OwedDelivery
from events.rules import ids
from events.rules.ids import Prefix
from tests import make
from tests.lane import Lane

pytestmark = pytest.mark.usefixtures("lawful")

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "o-1",
    "ce-source": "/shop",
    "ce-type": "order.paid",
}


def stored(public_id: str) -> Event:
    return Event.objects.get(id=ids.decode(Prefix.EVENT, public_id))


def test_one_json_event_is_accepted_and_stored(lane: Lane) -> None:
    make.subscription()
    answer = lane.post(b'{"type":"order.paid","data":{"n": 1}}')
    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"id": answer.json["id"], "duplicate": False, "deliveries": 1}
    event = stored(answer.json["id"])
    assert (event.type, event.source, bytes(event.data)) == (
        "order.paid",
        "/producers/shop",
        b'{"n": 1}',
    )
    assert event.datacontenttype == "application/json"
    assert OwedDelivery.objects.get().event == event.id


def test_every_field_of_a_json_event_is_kept(lane: Lane) -> None:
    sent = {
        "type": "order.paid",
        "data": [1],
        "source": "/s",
        "id": "o-1",
        "subject": "order/1",
        "time": "2026-02-03T04:05:06+01:00",
        "tenant": "acme",
        "ordering_key": "order-1",
        "priority": "high",
        "datacontenttype": "application/vnd.order+json",
        "dataschema": "https://example.com/order",
        "extensions": {"region": "eu", "retries": 3, "vip": True},
    }
    event = stored(lane.post(sent).json["id"])
    for name in ("type", "source", "subject", "time", "tenant", "ordering_key", "dataschema"):
        assert getattr(event, name) == sent[name]
    assert event.producer_event_id == "o-1"
    assert event.priority == 0
    assert event.datacontenttype == "application/vnd.order+json"
    assert event.extensions == sent["extensions"]
    assert event.producer == make.api_key_row(lane.key).id


def test_an_event_without_data_has_none(lane: Lane) -> None:
    event = stored(lane.post({"type": "order.paid"}).json["id"])
    assert bytes(event.data) == b""
    assert event.datacontenttype is None


def test_a_structured_cloudevent_is_accepted(lane: Lane) -> None:
    sent = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "order.paid",
        "region": "eu",
        "partitionkey": "k",
        "data": {"n": 1},
    }
    event = stored(lane.post(sent, STRUCTURED).json["id"])
    assert (event.source, event.producer_event_id, event.type) == ("/s", "1", "order.paid")
    assert event.extensions == {"region": "eu", "partitionkey": "k"}
    assert event.ordering_key == "k"
    assert bytes(event.data) == b'{"n":1}'


def test_structured_base64_data_is_stored_decoded(lane: Lane) -> None:
    sent = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": "AP/+"}
    event = stored(lane.post(sent, STRUCTURED).json["id"])
    assert bytes(event.data) == b"\x00\xff\xfe"


def test_structured_text_of_another_type_is_stored_as_its_utf8(lane: Lane) -> None:
    sent = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "datacontenttype": "text/plain",
        "data": "grün\n",
    }
    assert bytes(stored(lane.post(sent, STRUCTURED).json["id"]).data) == "grün\n".encode()


def test_a_binary_cloudevent_keeps_any_bytes_of_any_type(lane: Lane) -> None:
    body = bytes(range(256))
    headers = {**BINARY, "content-type": "image/x-odd", "ce-region": "S%C3%BCd%20"}
    event = stored(lane.post(body, headers).json["id"])
    assert bytes(event.data) == body
    assert event.datacontenttype == "image/x-odd"
    assert event.extensions == {"region": "Süd "}


def test_a_json_array_answers_for_each_item_in_order(lane: Lane) -> None:
    make.subscription(types=["order.*"])
    answer = lane.post(
        [{"type": "order.paid"}, {"type": ""}, {"type": "other"}, {"data": 1}, {"type": "order.x"}]
    )
    assert answer.status == 202
    results = answer.json["data"]
    assert [result["status"] for result in results] == [202, 422, 202, 422, 202]
    assert [r["deliveries"] for r in results if r["status"] == 202] == [1, 0, 1]
    assert [r["error"]["code"] for r in results if "error" in r] == [
        "invalid_field",
        "missing_field",
    ]
    kept = [stored(result["id"]).type for result in results if "id" in result]
    assert kept == ["order.paid", "other", "order.x"]


def test_a_batch_of_cloudevents_is_accepted(lane: Lane) -> None:
    items = [
        {"specversion": "1.0", "id": str(n), "source": "/s", "type": "t", "data": n}
        for n in range(3)
    ]
    answer = lane.post(items, BATCH)
    assert [result["status"] for result in answer.json["data"]] == [202, 202, 202]
    assert Event.objects.count() == 3


def test_an_empty_batch_is_an_empty_answer(lane: Lane) -> None:
    answer = lane.post(b" [ ] ")
    assert (answer.status, answer.json) == (202, {"data": []})


def test_a_tenants_key_publishes_for_its_tenant(lane: Lane) -> None:
    tap, ours = make.subscription(), make.subscription(tenant="acme")
    make.subscription(tenant="other")
    key = make.api_key(tenant="acme")
    answer = lane.post({"type": "t"}, key=key)
    assert answer.json["deliveries"] == 2
    assert set(OwedDelivery.objects.values_list("subscription", "tenant", "owner")) == {
        (tap.id, "acme", None),
        (ours.id, "acme", "acme"),
    }
    assert lane.post({"type": "t", "tenant": "other"}, key=key).status == 403


def test_the_producers_trace_is_kept_and_a_malformed_one_is_not(lane: Lane) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    kept = lane.post({"type": "t"}, {"traceparent": trace})
    assert stored(kept.json["id"]).traceparent == trace
    junk = lane.post({"type": "t"}, {"traceparent": "junk"})
    assert stored(junk.json["id"]).traceparent is None


def test_workers_are_poked_after_a_commit_that_owes_them_work(lane: Lane) -> None:
    lane.post({"type": ""})
    lane.post({"type": "t"})
    assert lane.commits == 0
    make.subscription()
    lane.post({"type": "t"})
    assert lane.commits == 1


def test_publishes_that_arrive_together_share_commits(lane: Lane) -> None:
    make.subscription()
    lane.post({"type": "first"})
    posts = [lane.posting({"type": "t", "data": n}) for n in range(200)]
    answers = lane.together(posts)
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 200
    assert Event.objects.count() == 201
    assert lane.commits < 20


def test_the_time_is_kept_as_the_producer_spelled_it(lane: Lane) -> None:
    for spelled in ("2026-02-03T04:05:06.123456789Z", "2026-12-31t23:59:60z"):
        event = stored(lane.post({"type": "t", "time": spelled}).json["id"])
        assert event.time == spelled


@pytest.mark.parametrize(
    "data",
    [
        b"123456789012345678901234567890",
        b"1.10",
        b"1E400",
        b"-0.0",
        b'{"b": 1,  "a": [1.0, 1e2],"b":2}',
        '"\\u00e9 é \\ud83d\\ude00 😀 \\u0000"'.encode(),
        b"null",
        b'"\xf4\x8f\xbf\xbf"',
    ],
)
def test_the_bytes_of_data_are_kept_as_they_came(lane: Lane, data: bytes) -> None:
    plain = lane.post(b'{"type":"t","data":' + data + b"}")
    inside = lane.post(b'[ {"data": ' + data + b' ,"type":"t"} ]').json["data"][0]
    head = b'{"specversion":"1.0","id":"1","source":"/s","type":"t","data":'
    structured = lane.post(head + data + b"}", STRUCTURED)
    for public_id in (plain.json["id"], inside["id"], structured.json["id"]):
        assert bytes(stored(public_id).data) == data


def test_a_hundred_kilobytes_of_nesting_is_kept_or_refused_but_never_fatal(lane: Lane) -> None:
    deep = b'{"type":"t","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = lane.post(deep)
    assert answer.status == 422
    assert answer.code == "invalid_field"
    assert msgspec.json.decode(lane.post({"type": "t"}).body)["duplicate"] is False
