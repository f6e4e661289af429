"""Identity: a repeat of a publish meets the event that the first one made."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from events.models import Event, EventIdentity, OwedDelivery
from tests import make
from tests.lane import Lane

pytestmark = pytest.mark.usefixtures("lawful")

EVENT = {"type": "order.paid", "source": "/shop", "id": "o-1", "data": {"n": 1}}


def results(lane: Lane, items: list[Any], key: str | None = None) -> list[dict[str, Any]]:
    headers = {"idempotency-key": key} if key else {}
    found: list[dict[str, Any]] = lane.post(items, headers).json["data"]
    return found


def test_a_repeat_is_200_with_the_same_id(lane: Lane) -> None:
    make.subscription()
    first, again = lane.post(EVENT), lane.post(EVENT)
    assert (first.status, again.status) == (202, 200)
    assert again.json == {"id": first.json["id"], "duplicate": True}
    assert Event.objects.count() == OwedDelivery.objects.count() == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"data": {"n": 2}},
        {"type": "order.lost"},
        {"subject": "x"},
        {"extensions": {"a": "b"}},
        {"priority": "low"},
        {"ordering_key": "k"},
        {"time": "2026-01-01T00:00:00Z"},
    ],
)
def test_the_same_identity_with_other_content_is_409(lane: Lane, changed: dict[str, Any]) -> None:
    first = lane.post(EVENT)
    other = lane.post(EVENT | changed)
    assert (other.status, other.code) == (409, "identity_conflict")
    assert first.json["id"] in other.json["detail"]
    assert Event.objects.count() == 1


def test_another_source_or_tenant_is_another_identity(lane: Lane) -> None:
    for changed in ({}, {"source": "/else"}, {"tenant": "acme"}):
        assert lane.post(EVENT | changed).status == 202
    assert Event.objects.count() == 3


def test_an_idempotency_key_is_an_identity_of_its_producer(lane: Lane) -> None:
    event, headers = {"type": "t", "data": 1}, {"idempotency-key": '"k 1"'}
    first, again = lane.post(event, headers), lane.post(event, headers)
    assert (first.status, again.status) == (202, 200)
    assert again.json["id"] == first.json["id"]
    assert lane.post({"type": "t", "data": 2}, headers).status == 409
    assert lane.post(event, headers, key=make.api_key()).status == 202


def test_a_bare_idempotency_key_is_the_quoted_one(lane: Lane) -> None:
    first = lane.post({"type": "t"}, {"idempotency-key": "k1"})
    again = lane.post({"type": "t"}, {"idempotency-key": '"k1"'})
    assert (again.status, again.json["id"]) == (200, first.json["id"])


@pytest.mark.parametrize("key", ["", '"', "ü", "a" * 256, '"a\\b"', "a b"])
def test_a_malformed_idempotency_key_is_refused(lane: Lane, key: str) -> None:
    for body in ({"type": "t"}, [{"type": "t"}]):
        answer = lane.post(body, {"idempotency-key": key})
        assert (answer.status, answer.code) == (422, "invalid_field")


def test_the_trace_is_no_part_of_the_content(lane: Lane) -> None:
    lane.post(EVENT, {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    assert lane.post(EVENT).status == 200


def test_concurrent_repeats_make_one_event(lane: Lane) -> None:
    make.subscription()
    answers = lane.together([lane.posting(EVENT) for _ in range(50)])
    assert sorted(answer.status for answer in answers) == [200] * 49 + [202]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert Event.objects.count() == OwedDelivery.objects.count() == 1


def test_repeats_in_one_batch_get_what_the_first_one_got(lane: Lane) -> None:
    found = results(lane, [EVENT, {"type": "t"}, EVENT, EVENT | {"data": 2}])
    assert [result["status"] for result in found] == [202, 202, 200, 409]
    assert found[2] == {"status": 200, "id": found[0]["id"], "duplicate": True}
    assert Event.objects.count() == 2


def test_a_repeated_item_of_a_batch_is_200_and_the_others_are_stored(lane: Lane) -> None:
    lane.post(EVENT)
    found = results(lane, [{"type": "a"}, EVENT, EVENT | {"data": 2}, {"type": "b"}])
    assert [result["status"] for result in found] == [202, 200, 409, 202]


def test_a_batchs_idempotency_key_covers_the_batch(lane: Lane) -> None:
    make.subscription()
    items = [{"type": "a"}, EVENT, {"type": ""}, {"type": "b"}]
    first, again = results(lane, items, "k"), results(lane, items, "k")
    assert [result["status"] for result in first] == [202, 202, 422, 202]
    assert [result["status"] for result in again] == [200, 200, 422, 200]
    assert [r.get("id") for r in again] == [r.get("id") for r in first]
    assert Event.objects.count() == OwedDelivery.objects.count() == 3


def test_a_batchs_key_with_another_body_stores_nothing(lane: Lane) -> None:
    results(lane, [{"type": "a"}], "k")
    answer = lane.post([{"type": "a"}, {"type": "b"}], {"idempotency-key": "k"})
    assert (answer.status, answer.code) == (409, "identity_conflict")
    assert Event.objects.count() == 1


def test_concurrent_repeats_of_a_batch_make_its_events_once(lane: Lane) -> None:
    items = [{"type": "a"}, {"type": "b"}]
    answers = lane.together([lane.posting(items, {"idempotency-key": "k"}) for _ in range(10)])
    statuses = [[r["status"] for r in answer.json["data"]] for answer in answers]
    assert sorted(statuses) == [[200, 200]] * 9 + [[202, 202]]
    assert Event.objects.count() == 2


def test_an_expired_identity_is_free_again(lane: Lane) -> None:
    first = lane.post(EVENT)
    EventIdentity.objects.update(expires_at=timezone.now() - timezone.timedelta(seconds=1))
    again = lane.post(EVENT | {"data": 2})
    assert again.status == 202
    assert again.json["id"] != first.json["id"]
    assert lane.post(EVENT | {"data": 2}).status == 200


def test_an_identity_outlives_midnight(lane: Lane) -> None:
    first = lane.post(EVENT)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_event SET id = '01900000-0000-7000-8000-000000000000'")
        cursor.execute("DELETE FROM events_event")
    again = lane.post(EVENT)
    assert (again.status, again.json["id"]) == (200, first.json["id"])
