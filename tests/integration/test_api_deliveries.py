"""Deliveries over REST: search, read with every attempt, retry, cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from events import probe
from events.engine.record import record
from events.models import AuditEntry, OwedDelivery
from events.rules.ids import Prefix, encode
from events.rules.outcome import Responded
from tests import make
from tests.make import ACTOR
from tests.rest import operator

pytestmark = pytest.mark.django_db


def public(delivery: UUID) -> str:
    return encode(Prefix.DELIVERY, delivery)


def ids_of(**query: Any) -> list[str]:
    answer = operator().get("deliveries", **query)
    assert answer.status == 200, answer.body
    return [one["id"] for one in answer.json["data"]]


def test_owed_and_finished_deliveries_are_one_list() -> None:
    to = make.subscription()
    delivered = make.owed(to)
    make.recorded(Responded(200))
    pending = make.owed(to)
    assert ids_of() == [public(pending), public(delivered)]
    assert ids_of(limit=1) == [public(pending)]


def test_deliveries_are_found_by_what_they_are() -> None:
    one, two = make.subscription(types=["a"]), make.subscription(types=["b"])
    first = make.owed(one, type="a")
    make.recorded(Responded(500))
    second = make.owed(two, type="b")
    row = make.delivery(second)
    assert ids_of(state="dead") == [public(first)]
    assert ids_of(state="pending") == [public(second)]
    assert ids_of(status=500) == [public(first)]
    assert ids_of(subscription=two.public_id) == [public(second)]
    assert ids_of(event=encode(Prefix.EVENT, row.event)) == [public(second)]
    assert ids_of(since="2026-01-01T00:00:00Z") == [public(second), public(first)]
    assert ids_of(before="2026-01-01T00:00:00Z") == []
    assert ids_of(replay=encode(Prefix.REPLAY, first)) == []


@pytest.mark.parametrize(
    "query", [{"state": "lost"}, {"status": 1}, {"status": 10**30}, {"event": "x"}, {"x": "1"}]
)
def test_a_wrong_filter_is_refused(query: dict[str, Any]) -> None:
    refused = operator().get("deliveries", **query)
    assert refused.status == 422
    assert refused.pointer == f"/{next(iter(query))}"


def test_a_delivery_is_read_with_headers_answer_and_verdict() -> None:
    to = make.subscription(schedule=[600])
    delivery = make.owed(to)
    make.recorded(Responded(503), schedule=[600], body=b"busy")
    found = operator().get(f"deliveries/{public(delivery)}").json
    assert found["state"] == "pending"
    assert found["webhook_id"] == public(delivery)
    assert found["waits_for"]["kind"] == "due"
    [attempt] = found["tries"]
    assert attempt["request_headers"] == [{"name": "webhook-id", "value": "x"}]
    assert (attempt["status"], attempt["verdict"]) == (503, "retry")
    assert attempt["response_body"] == "busy"
    assert attempt["delivery"] == public(delivery)


def test_an_answer_that_is_no_text_is_shown_as_base64() -> None:
    delivery = make.owed(make.subscription())
    make.recorded(Responded(500), body=b"\xff\xfe")
    [attempt] = operator().get(f"deliveries/{public(delivery)}").json["tries"]
    assert (attempt["response_body"], attempt["response_body_base64"]) == (None, "//4=")


def test_a_retry_makes_a_pending_delivery_due_now() -> None:
    to = make.subscription(schedule=[600])
    delivery = make.owed(to)
    make.recorded(Responded(500), schedule=[600])
    answer = operator().post(f"deliveries/{public(delivery)}/retry")
    assert answer.status == 200
    assert answer.json["waits_for"]["kind"] == "worker"
    assert AuditEntry.objects.filter(action="retry", target=public(delivery)).exists()


def test_a_delivery_in_flight_or_finished_cannot_be_retried() -> None:
    delivery = make.owed(make.subscription())
    [claim] = make.claims()
    rest = operator()
    refused = rest.post(f"deliveries/{public(delivery)}/retry")
    assert (refused.status, refused.code) == (409, "wrong_state")
    record([make.result(claim)], worker="one")
    assert rest.post(f"deliveries/{public(delivery)}/retry").code == "wrong_state"


def test_a_cancelled_delivery_is_finished_and_cannot_be_cancelled_again() -> None:
    delivery = make.owed(make.subscription())
    rest = operator()
    answer = rest.post(f"deliveries/{public(delivery)}/cancel")
    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    assert not OwedDelivery.objects.exists()
    assert rest.post(f"deliveries/{public(delivery)}/cancel").code == "wrong_state"


def test_a_test_that_waits_can_be_listed_and_read() -> None:
    to = make.subscription()
    delivery = probe.send_test(to.id, actor=ACTOR)
    assert ids_of() == [public(delivery)]
    found = operator().get(f"deliveries/{public(delivery)}").json
    assert (found["due_at"], found["waits_for"]["kind"]) == (None, "worker")
    timeline = operator().get(f"events/{found['event']}/timeline").json
    assert len(timeline["deliveries"]) == 1
