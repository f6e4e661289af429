"""Starting a replay from where one stands: an event, or a subscription."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.urls import reverse

from dlq.models import Replay
from dlq.plan import MANY
from events import operate
from events.models import Event
from events.roles import Role
from events.rules import ids
from events.rules.ids import Prefix
from tests import make, pages

pytestmark = pytest.mark.django_db


def test_an_event_offers_the_subscriptions_that_it_was_owed_to() -> None:
    owed, gone = make.subscription(name="owed"), make.subscription(name="gone")
    [event] = make.published(make.event())
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    other = make.subscription(name="later")
    make.subscription(name="theirs", tenant="acme")
    client = pages.signed_in(Role.OPERATOR)
    shown = pages.text_of(client.get(reverse("event", args=[event])))
    [link] = re.findall(r'href="(/replays/new/\?[^"]+)"', shown)
    asked = client.get(link.replace("&amp;", "&"))
    target = pages.text_of(asked).partition('name="target"')[2].partition("</select>")[0]
    groups = re.findall(r'<optgroup label="([^"]+)">(.*?)</optgroup>', target, re.DOTALL)
    assert [(name, re.findall(r'value="([^"]+)"', options)) for name, options in groups] == [
        ("It was owed to", [owed.public_id]),
        ("Others", [other.public_id]),
    ]
    assert "Events need a subscription" not in pages.text_of(asked)


def test_the_subscription_that_was_chosen_gets_the_event_again() -> None:
    to = make.subscription()
    [event] = make.published(make.event())
    client = pages.signed_in(Role.OPERATOR)
    query = {"source": "events", "ids": ids.encode(Prefix.EVENT, event), "target": to.public_id}
    tried = client.get(reverse("replay-new"), query)
    assert "Replay 1 event to 1 endpoint" in pages.words_of(tried)
    client.post(reverse("replay-new"), tried.context["hidden"])
    assert Replay.objects.get().target == to.id


def test_an_event_that_is_gone_is_asked_for_with_a_free_field() -> None:
    make.subscription()
    [event] = make.published(make.event())
    Event.objects.filter(id=event).delete()
    query = {"source": "events", "ids": ids.encode(Prefix.EVENT, event)}
    shown = pages.text_of(pages.signed_in(Role.OPERATOR).get(reverse("replay-new"), query))
    assert '<input type="text" name="target"' in shown


def test_a_subscription_offers_what_failed_since() -> None:
    to = make.subscription()
    make.dead(to, 3)
    client = pages.signed_in(Role.OPERATOR)
    shown = pages.text_of(client.get(reverse("subscription", args=[to.id])))
    choices = shown.partition('id="failed-since"')[2].partition("</select>")[0]
    assert re.findall(r'value="([^"]*)"', choices) == ["1h", "6h", "24h", "7d", ""]
    query = {"source": "dead_letters", "subscription": to.public_id}
    for since in ("1h", "24h", ""):
        found = client.get(reverse("replay-new"), {**query, "since": since})
        assert "Replay 3 dead letters to 1 endpoint" in pages.words_of(found)


MANY_EVENTS = """
INSERT INTO events_event (id, source, type, priority, data, received_at, matched)
    SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '70018'
            || lpad(to_hex(n), 15, '0'))::uuid, '/shop', 'order.paid', 1, '{}', now(), 0
    FROM generate_series(1, %s) AS n
"""


def test_very_many_events_are_counted_once_the_page_is_there() -> None:
    to = make.subscription()
    with connection.cursor() as cursor:
        cursor.execute(MANY_EVENTS, [MANY + 1])
    client = pages.signed_in(Role.OPERATOR)
    query = {"source": "events", "target": to.public_id, "since": "1h"}
    tried = pages.text_of(client.get(reverse("replay-new"), query))
    assert f"More than {MANY:,} events meet this" in tried
    assert "Start the replay" not in tried

    [link] = re.findall(r'<a class="button" href="([^"]+)"', tried)
    counted = client.get(reverse("replay-new") + html.unescape(link))
    assert f"Replay {MANY + 1:,} events to 1 endpoint" in pages.words_of(counted)
    client.post(reverse("replay-new"), counted.context["hidden"])
    assert Replay.objects.get().total == MANY + 1


def test_as_many_as_are_counted_at_once_are_counted_at_once() -> None:
    to = make.subscription()
    with connection.cursor() as cursor:
        cursor.execute(MANY_EVENTS, [MANY])
    query = {"source": "events", "target": to.public_id, "since": "1h"}
    tried = pages.signed_in(Role.OPERATOR).get(reverse("replay-new"), query)
    assert f"Replay {MANY:,} events to 1 endpoint" in pages.words_of(tried)
