"""The pages that say why: an event, a delivery, search, the guide, the debugger."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from events import operate
from events.models import Delivery, Event
from events.roles import Role
from events.rules import ids, signing
from events.rules.ids import Prefix
from events.rules.outcome import Responded
from tests import make, pages

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_the_why_page_names_the_rule_that_failed() -> None:
    make.subscription(name="Big orders", filter="data.total > 100")
    make.subscription(name="Users", types=["user.*"])
    [event] = make.published(make.event(data=b'{"total": 20}', datacontenttype="application/json"))
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse("event", args=[event])))
    assert "Nobody got it" in shown
    assert "Its filter does not let the event through: the filter is false." in shown
    assert "None of its patterns covers order.paid: user.*." in shown


@pytest.mark.django_db(transaction=True)
def test_the_values_that_a_filter_met_are_for_those_who_may_see_data() -> None:
    to = make.subscription(filter="data.total > 100")
    [event] = make.published(
        make.event(data=b'{"total": 20, "card": "4111"}', datacontenttype="application/json")
    )
    path = f"{reverse('event', args=[event])}?subscription={to.public_id}"
    operator, viewer = (pages.signed_in(role) for role in (Role.OPERATOR, Role.VIEWER))
    seen = operator.get(path)
    assert pages.text_of(seen).count("the filter is false. Here data.total is 20.") == 2
    assert "The filter is: data.total &gt; 100" in pages.text_of(seen)
    assert "4111" not in pages.text_of(seen).partition("Attributes")[0]
    assert "data.total is" not in pages.text_of(viewer.get(path))


def test_the_page_of_an_event_that_expired_says_so(settings: Settings) -> None:
    settings.REDRIVE_RETENTION_DAYS = 7
    client, now = pages.signed_in(Role.VIEWER), timezone.now()
    old = ids.encode(Prefix.EVENT, ids.first_at(now - timedelta(days=9)))
    response = client.get(f"/events/{old}/")
    assert response.status_code == 410
    assert "It expired" in pages.text_of(response)
    assert "7 days" in pages.text_of(response)
    for other in (now, now - timedelta(days=6), now + timedelta(days=1)):
        unknown = ids.encode(Prefix.EVENT, ids.first_at(other))
        assert client.get(f"/events/{unknown}/").status_code == 404


def test_the_why_page_says_what_a_delivery_waits_for_and_for_how_long() -> None:
    to = make.subscription(name="Orders")
    operate.pause(actor=make.ACTOR, subscription=to.id, reason="a release")
    [event] = make.published(make.event())
    shown = pages.text_of(pages.signed_in(Role.VIEWER).get(reverse("event", args=[event])))
    assert "1 pending." in shown
    assert "The subscription is paused." in shown


def test_a_subscription_can_be_asked_about_an_event_that_it_never_met() -> None:
    [event] = make.published(make.event())
    to = make.subscription(types=["user.*"])
    response = pages.signed_in(Role.VIEWER).get(
        reverse("event", args=[event]), {"subscription": to.public_id}
    )
    assert response.context["answer"].why.words.startswith("None of its patterns covers")


def test_a_live_part_alone_is_one_element_with_an_id_and_no_form() -> None:
    to = make.subscription()
    [dead] = make.dead(to)
    event = Event.objects.get()
    client = pages.signed_in(Role.ADMIN)
    for path in (
        reverse("event", args=[event.id]),
        reverse("delivery", args=[dead]),
        reverse("subscription", args=[to.id]),
        reverse("dead-letter", args=[dead]),
        reverse("start"),
    ):
        response = client.get(path, headers={"HX-Request": "true"})
        shown = pages.text_of(response).strip()
        assert shown.startswith("<title>"), path
        assert 'id="page-head"' in shown
        assert "<html" not in shown
        assert '<header class="top"' not in shown
        assert "HX-Request" in response["Vary"]


def test_the_last_attempt_is_shown_with_request_answer_and_a_curl_without_secrets() -> None:
    to = make.subscription(authentication="bearer", credentials="")
    [dead] = make.dead(to, body=b"no such order")
    shown = pages.text_of(pages.signed_in(Role.OPERATOR).get(reverse("delivery", args=[dead])))
    assert "no such order" in shown
    assert "curl -X POST" in shown


def test_a_long_body_says_how_much_of_it_is_shown_and_where_all_of_it_is() -> None:
    to = make.subscription()
    [event] = make.published(make.event(data=b"x" * 50_000))
    make.recorded(Responded(200), body=b"y" * 16_384, want=1)
    delivery = Delivery.objects.get(subscription=to.id)
    client = pages.signed_in(Role.OPERATOR)
    shown = pages.text_of(client.get(reverse("delivery", args=[delivery.id])))
    assert "the first 16,384 characters of 50,000 bytes" in shown
    assert f'href="{reverse("event-payload", args=[event])}"' in shown
    assert "Show all" not in shown.partition("Body received")[0]
    assert "Of an answer the first 16 KB are kept." in shown
    whole = client.get(reverse("event-payload", args=[event]))
    assert whole.content == b"x" * 50_000
    assert whole["Content-Disposition"].startswith("attachment")
    assert whole["X-Content-Type-Options"] == "nosniff"


def test_an_id_of_any_kind_goes_straight_to_its_page() -> None:
    to = make.subscription()
    [dead] = make.dead(to)
    event = Event.objects.get()
    client = pages.signed_in(Role.VIEWER)
    for public, page in (
        (event.public_id, reverse("event", args=[event.id])),
        (to.public_id.lower(), reverse("subscription", args=[to.id])),
        (ids.encode(Prefix.DELIVERY, dead), reverse("delivery", args=[dead])),
        (ids.encode(Prefix.DEAD_LETTER, dead), reverse("dead-letter", args=[dead])),
    ):
        assert client.get(reverse("search"), {"q": f" {public} "})["Location"] == page


def test_search_finds_names_urls_types_producers_ids_and_pages_that_one_may_open() -> None:
    make.subscription("http://127.0.0.1:9/invoices", name="Ledger")
    make.published(make.event(type="invoice.sent", producer_event_id="inv-77"))
    viewer, admin = pages.signed_in(Role.VIEWER), pages.signed_in(Role.ADMIN)

    def hits(text: str) -> set[str]:
        return {hit.kind for hit in viewer.get(reverse("search"), {"q": text}).context["hits"]}

    assert hits("ledg") == {"subscription"}
    assert hits("invoice") == {"subscription", "event type"}
    assert hits("inv-77") == {"event"}
    assert hits("new replay") == set()
    assert admin.get(reverse("search"), {"q": "new replay"}).context["hits"]


def test_the_palette_gets_only_the_answers() -> None:
    client = pages.signed_in(Role.VIEWER)
    headers = {"HX-Request": "true", "X-Palette": "1"}
    shown = pages.text_of(client.get(reverse("search"), {"q": "dead"}, headers=headers)).strip()
    assert shown.startswith('<div id="found">')


def test_the_debugger_says_which_part_differs() -> None:
    body = b'{"n": 1}'
    stamp = int(time.time())
    signed = signing.signature_header([make.SECRET], webhook_id="dlv_1", timestamp=stamp, body=body)
    client = pages.signed_in(Role.OPERATOR)

    def findings(**changes: str) -> dict[str, tuple[str, str]]:
        headers = f"webhook-id: dlv_1\nwebhook-timestamp: {stamp}\nwebhook-signature: {signed}\n"
        form = {"headers": headers, "body": body.decode(), "secret": make.SECRET} | changes
        found = client.post(reverse("debugger"), form).context["findings"]
        return {one.part: (one.result, one.words) for one in found}

    assert findings()["signature"][0] == "good"
    assert findings(body='{"n":1}')["signature"][0] == "bad"
    assert "A line end was added" in findings(body='{"n": 1}\n')["signature"][1]
    assert findings(secret="nonsense")["secret"][0] == "bad"
    late = f"webhook-id: dlv_1\nwebhook-timestamp: {stamp}000\nwebhook-signature: {signed}"
    assert "milliseconds" in findings(headers=late)["webhook-timestamp"][1]
    shown = pages.text_of(client.post(reverse("debugger"), {"headers": "a: b", "secret": "hush"}))
    assert "hush" not in shown


def test_the_debugger_compares_with_what_was_sent() -> None:
    to = make.subscription()
    [dead] = make.dead(to)
    client = pages.signed_in(Role.OPERATOR)
    headers = f"webhook-id: {ids.encode(Prefix.DELIVERY, dead)}"
    form = {"headers": headers, "body": '{"n":2}', "secret": ""}
    found = client.post(reverse("debugger"), form).context["findings"]
    words = {one.part: one.words for one in found}
    assert words["webhook-id"] == "A delivery of this id was made here."
    assert words["body"].startswith("It differs from byte 5 on")


def test_the_guide_ticks_what_is_done() -> None:
    client = pages.signed_in(Role.ADMIN)
    assert client.get(reverse("start")).context["steps"].subscription is None
    make.subscription()
    make.published(make.event())
    steps = client.get(reverse("start")).context["steps"]
    assert steps.subscription is not None
    assert steps.event is not None
    assert steps.arrived is None
