"""Correcting a dead letter: a new event for one endpoint, audited, and nothing else changed."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from dlq.amend import send_amended
from dlq.models import DeadLetter, LetterState
from events.models import AuditEntry, Event, OwedDelivery
from events.operate import WrongState
from events.roles import Role
from events.rules.ids import Prefix, encode
from events.rules.outcome import Responded
from tests import laws, make, pages
from tests.rest import operator

pytestmark = pytest.mark.django_db(transaction=True)

ACTOR = make.ACTOR
OLD, NEW = b'{"n":1}', b'{"n":2}'


def dead(**fields: object) -> DeadLetter:
    """A dead letter of an event with JSON in it."""
    to = make.subscription(**fields)
    make.backlog(to, 1, data=OLD, datacontenttype="application/json", subject="ord_1")
    make.recorded(Responded(500))
    return DeadLetter.objects.get(subscription=to.id)


def test_the_new_event_goes_to_its_endpoint_alone_and_names_the_old_one() -> None:
    letter = dead(types=["order.*"])
    others = make.subscription()
    made = send_amended(letter.id, NEW, to=None, keep=False, actor=ACTOR)
    event = Event.objects.get(id=made.event)
    assert bytes(event.data) == NEW
    assert (event.subject, event.matched) == ("ord_1", 1)
    assert event.extensions["redriveamends"] == encode(Prefix.EVENT, letter.event)
    owed = OwedDelivery.objects.get(event=event.id)
    assert (owed.id, owed.subscription, owed.webhook_id) == (
        made.delivery, letter.subscription, made.delivery)  # fmt: skip
    assert not OwedDelivery.objects.filter(subscription=others.id).exists()
    assert bytes(Event.objects.get(id=letter.event).data) == OLD
    letter.refresh_from_db()
    assert letter.state == LetterState.REPLAYED
    laws.hold()


def test_it_can_go_elsewhere_and_leave_the_letter_open() -> None:
    letter = dead()
    other = make.subscription(types=["nothing"])
    made = send_amended(letter.id, NEW, to=other.id, keep=True, actor=ACTOR)
    assert OwedDelivery.objects.get(event=made.event).subscription == other.id
    letter.refresh_from_db()
    assert letter.state == LetterState.OPEN


def test_the_audit_log_has_digests_and_no_data() -> None:
    letter = dead()
    send_amended(letter.id, b'{"card":"4111"}', to=None, keep=False, actor=ACTOR)
    entry = AuditEntry.objects.get(action="amend", target=letter.public_id)
    assert entry.before["bytes"] == len(OLD)
    assert entry.after["bytes"] == 15
    assert len(entry.after["sha256"]) == 64
    assert "4111" not in f"{entry.before}{entry.after}"


@pytest.mark.parametrize(
    ("data", "words"),
    [(OLD, "Nothing was changed"), (b"{", "not JSON"), (b"\xff", "not JSON"),
     (b'"' + b"x" * 300_000 + b'"', "an event has at most")],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_and_changes_nothing(data: bytes, words: str) -> None:
    letter = dead()
    events = Event.objects.count()
    with pytest.raises(WrongState, match=words):
        send_amended(letter.id, data, to=None, keep=False, actor=ACTOR)
    letter.refresh_from_db()
    assert (letter.state, Event.objects.count()) == (LetterState.OPEN, events)


def test_a_settled_letter_and_another_tenants_endpoint_are_refused() -> None:
    letter = dead()
    other = make.subscription(tenant="other")
    with pytest.raises(WrongState, match="another tenant"):
        send_amended(letter.id, NEW, to=other.id, keep=False, actor=ACTOR)
    send_amended(letter.id, NEW, to=None, keep=False, actor=ACTOR)
    with pytest.raises(WrongState, match="replayed already"):
        send_amended(letter.id, b"3", to=None, keep=False, actor=ACTOR)


def posted(client: Client, letter: DeadLetter, **form: str) -> int:
    return int(client.post(reverse("dead-letter-amend", args=[letter.id]), form).status_code)


def test_the_page_shows_the_data_and_keeps_what_was_typed_when_it_is_wrong() -> None:
    letter = dead()
    client = pages.signed_in(Role.OPERATOR)
    path = reverse("dead-letter-amend", args=[letter.id])
    with pages.at_most(12):
        shown = pages.text_of(client.get(path))
    assert "{&quot;n&quot;:1}" in shown
    wrong = client.post(path, {"content": '{"n":'})
    assert wrong.status_code == 422
    assert "It is not JSON" in pages.text_of(wrong)
    assert "{&quot;n&quot;:</textarea>" in pages.text_of(wrong)
    assert posted(client, letter, content='{"n":\r\n3}') == 302
    assert bytes(Event.objects.latest("id").data) == b'{"n":\n3}'


def test_a_viewer_may_neither_look_nor_send() -> None:
    letter = dead()
    client = pages.signed_in(Role.VIEWER)
    assert client.get(reverse("dead-letter-amend", args=[letter.id])).status_code == 403
    assert posted(client, letter, content='{"n":3}') == 403


def test_over_rest_it_takes_json_or_bytes() -> None:
    letter = dead()
    path = f"dead-letters/{letter.public_id}/amend"
    rest = operator()
    wrong = rest.post(path, {"data_base64": "?"})
    assert (wrong.code, wrong.pointer) == ("invalid_field", "/data_base64")
    assert rest.post(path, {"data": 2, "colour": 1}).status == 422
    done = rest.post(path, {"data_base64": "eyJuIjo0fQ==", "keep_open": True})
    assert done.status == 202
    assert bytes(Event.objects.latest("id").data) == b'{"n":4}'
    assert rest.post(path, {"data": {"n": 5}}).status == 202
    assert rest.post(path, {"data": {"n": 6}}).status == 409
