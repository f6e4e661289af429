"""What a delivery looks like on the wire, as outside judges and a real endpoint see it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.v1.event import CloudEvent as Judged
from django.conf import settings
from django.utils import timezone
from standardwebhooks import Webhook

from events import operate, vault
from events.models import Attempt, Secret
from events.rules import ids
from events.rules.ids import Prefix
from tests import make
from tests.engine import Engine
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


def judged(request: Any, secret: str = make.SECRET) -> Any:
    """The outside judge of signatures: raises if it does not verify."""
    return Webhook(secret).verify(request.body, request.headers)


def test_an_event_arrives_signed_and_is_recorded(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/ok?a=1"))
    delivery = make.owed(to, data=b'{"total": 1.10}', datacontenttype="application/json")
    assert engine.run() == 1
    [request] = receiver.wait(1)
    assert (request.method, request.target) == ("POST", "/ok?a=1")
    assert request.body == b'{"total": 1.10}'
    assert judged(request) == {"total": 1.1}
    row = make.delivery(delivery)
    assert (row.state, row.attempts, row.last_status) == ("delivered", 1, 200)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status, attempt.address) == ("responded", 200, "127.0.0.1")
    assert bytes(attempt.response_body) == b"ok"
    assert 0 < attempt.first_byte_ms <= attempt.total_ms
    assert attempt.worker == "one"


def test_a_delivery_has_the_headers_of_the_contract(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url(), headers={"x-shop": vault.encrypt("7")})
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    delivery = make.owed(
        to,
        subject="Süd 1",
        time="2026-02-03T04:05:06Z",
        extensions={"region": "eu", "vip": True, "n": 3},
        datacontenttype="application/json",
        producer_event_id="o-1",
        traceparent=trace,
    )
    engine.run()
    [request] = receiver.wait(1)
    sent = request.headers
    assert len(sent) == len(request.pairs)
    assert sent["webhook-id"] == ids.encode(Prefix.DELIVERY, delivery)
    assert abs(int(sent["webhook-timestamp"]) - timezone.now().timestamp()) < 10
    assert re.fullmatch(r"v1,[A-Za-z0-9+/]{43}=", sent["webhook-signature"])
    assert sent["user-agent"] == settings.REDRIVE_USER_AGENT
    assert sent["content-type"] == "application/json"
    assert sent["x-shop"] == "7"
    hop = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-00", sent["traceparent"])
    assert hop is not None
    assert (hop[1], hop[2] != "b7ad6b7169203331") == (trace[3:35], True)
    assert {name: value for name, value in sent.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-id": "o-1",
        "ce-source": "/shop",
        "ce-type": "order.paid",
        "ce-subject": "S%C3%BCd%201",
        "ce-time": "2026-02-03T04:05:06Z",
        "ce-region": "eu",
        "ce-vip": "true",
        "ce-n": "3",
    }
    kept = dict(Attempt.objects.get().request_headers)
    assert kept["x-shop"] == "•••"
    assert kept["webhook-id"] == sent["webhook-id"]


def judge_event(request: Any) -> Judged:
    """The outside judge of CloudEvents reads what arrived."""
    found = from_http_event(HTTPMessage(headers=request.headers, body=request.body))
    assert isinstance(found, Judged)
    return found


@pytest.mark.parametrize("form", ["binary", "structured"])
def test_the_cloudevents_sdk_reads_what_arrives(
    engine: Engine, receiver: Receiver, form: str
) -> None:
    to = make.subscription(receiver.url(), format=form)
    make.owed(
        to,
        data=b'{"n": [1, 2]}',
        datacontenttype="application/json",
        subject='a "b" %41',
        time="2026-02-03T04:05:06.5+01:00",
        extensions={"region": "grün 😀"},
        producer_event_id="o 1",
        dataschema="https://example.com/s",
    )
    engine.run()
    found = judge_event(receiver.wait(1)[0])
    assert (found.get_id(), found.get_source(), found.get_type()) == ("o 1", "/shop", "order.paid")
    assert found.get_subject() == 'a "b" %41'
    assert found.get_time() == make.moment("2026-02-03T04:05:06.500+01:00")
    assert found.get_extension("region") == "grün 😀"
    assert found.get_data() == {"n": [1, 2]}


def test_structured_mode_sends_one_json_object_signed(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url(), format="structured")
    make.owed(to, data=b"\x00\xff", datacontenttype="image/png")
    engine.run()
    [request] = receiver.wait(1)
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert not any(name.startswith("ce-") for name in request.headers)
    assert judged(request)["data_base64"] == "AP8="


@pytest.mark.parametrize(
    "data", [b"", b"\x00\xff\xfe", b'{"n":123456789012345678901234567890,"f":1.10}', b"x" * 250_000]
)
def test_the_bytes_of_data_arrive_unchanged(
    engine: Engine, receiver: Receiver, data: bytes
) -> None:
    make.owed(make.subscription(receiver.url()), data=data, datacontenttype="a/b")
    engine.run()
    [request] = receiver.wait(1)
    assert request.body == data


def test_both_secrets_sign_during_a_rotation(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url())
    new = "whsec_" + base64.b64encode(b"n" * 32).decode()
    operate.rotate_secret(actor=make.ACTOR, subscription=to.id, secret=new)
    make.owed(to)
    engine.run()
    judged(receiver.wait(1)[0])
    judged(receiver.requests[0], new)
    Secret.objects.filter(expires_at__isnull=False).update(expires_at=timezone.now())
    make.owed(to)
    engine.run()
    last = receiver.wait(2)[1]
    judged(last, new)
    assert last.headers["webhook-signature"].count(",") == 1


@pytest.mark.parametrize(
    ("how", "credentials", "header"),
    [
        ("basic", "user:päss", "Basic " + base64.b64encode("user:päss".encode()).decode()),
        ("bearer", "tok-1", "Bearer tok-1"),
    ],
)
def test_credentials_are_sent_and_never_kept(
    engine: Engine, receiver: Receiver, how: str, credentials: str, header: str
) -> None:
    encrypted = vault.encrypt(credentials)
    make.owed(make.subscription(receiver.url(), authentication=how, credentials=encrypted))
    engine.run()
    assert receiver.wait(1)[0].headers["authorization"] == header
    assert dict(Attempt.objects.get().request_headers)["authorization"] == "•••"


def test_a_delivery_of_an_event_is_public_by_its_id(engine: Engine, receiver: Receiver) -> None:
    event = make.event()
    make.subscription(receiver.url(), format="structured")
    make.published(event)
    engine.run()
    assert json.loads(receiver.wait(1)[0].body)["id"] == ids.encode(Prefix.EVENT, event.id)
    assert isinstance(event.id, UUID)
