"""Each number of a dry run and of a replay that is over opens the list of what it counts."""

from __future__ import annotations

import re
from html import unescape
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.select import Criteria
from events import operate
from events.console.paging import SIZE
from events.models import Event, Subscription
from events.roles import Role
from events.rules.outcome import Responded
from tests import make, pages
from tests.integration.test_dlq_delivered import run

pytestmark = pytest.mark.django_db

COUNTED = re.compile(r'<a href="([^"]*/replays/new/counted/[^"]*)">([\d,]+)</a>')


def numbers(client: Client, query: dict[str, str]) -> list[tuple[str, int]]:
    """The links of a dry run's numbers, in the order of the page."""
    shown = pages.text_of(client.get(reverse("replay-new"), query))
    return [(unescape(path), int(number)) for path, number in COUNTED.findall(shown)]


def listed(client: Client, path: str) -> list[UUID]:
    """All that a list holds, page by page."""
    rows: list[UUID] = []
    while True:
        page = client.get(path).context["page"]
        rows += [row.id for row in page.rows]
        if page.older is None:
            return rows
        path = f"{re.sub('&before=.*', '', path)}&before={page.older}"


def letters_of(to: Subscription) -> list[UUID]:
    found = DeadLetter.objects.open().filter(subscription=to.id)
    return list(found.order_by("-id").values_list("id", flat=True))


def test_of_dead_letters_what_goes_to_whom_what_arrived_and_what_is_owed_to_nobody() -> None:
    one, two, gone = (
        make.subscription(types=[name], max_concurrency=100) for name in ("one", "two", "gone")
    )
    for to, many in ((one, SIZE + 2), (two, 3), (gone, 2)):
        make.backlog(to, many, type=to.types[0])
    make.recorded(Responded(500))
    arrived = letters_of(two)[0]
    event = DeadLetter.objects.get(id=arrived).event
    run(Order(ReplaySource.EVENTS, Criteria(ids=(event,)), token="x", target=two.id))
    make.recorded(Responded(200))
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    client = pages.signed_in(Role.OPERATOR)
    found = numbers(client, {"source": "dead_letters", "rate": ""})
    assert [number for _, number in found] == [SIZE + 4, SIZE + 2, 2, 1, 2]
    rest = [letter for letter in letters_of(two) if letter != arrived]
    sent = sorted([*letters_of(one), *rest], reverse=True)
    expected = [sent, letters_of(one), rest, [arrived], letters_of(gone)]
    assert [listed(client, path) for path, _ in found] == expected


def test_of_events_what_goes_and_what_arrived() -> None:
    to = make.subscription()
    make.backlog(to, 2)
    make.recorded(Responded(200))
    make.dead(to, 1)
    newest, *arrived = Event.objects.order_by("-id").values_list("id", flat=True)
    client = pages.signed_in(Role.OPERATOR)
    query = {"source": "events", "target": to.public_id, "since": "1h"}
    whole, share, left = numbers(client, query)
    assert (whole[1], share[1], left[1]) == (1, 1, 2)
    assert listed(client, whole[0]) == listed(client, share[0]) == [newest]
    assert listed(client, left[0]) == arrived
    # Who asks for them again leaves none out.
    [again, _] = numbers(client, {**query, "again": "on"})
    assert listed(client, again[0]) == [newest, *arrived]
    path = reverse("replay-new-counted")
    asked = {**query, "again": "on", "part": "delivered"}
    assert "None any more" in pages.text_of(client.get(path, asked))


def test_letters_sent_elsewhere_are_compared_with_what_arrived_there() -> None:
    make.dead(make.subscription(), 3)
    letters = list(DeadLetter.objects.order_by("-id"))
    there = make.subscription(types=["none"])
    event = Criteria(ids=(letters[1].event,))
    run(Order(ReplaySource.EVENTS, event, token="x", target=there.id))
    make.recorded(Responded(200))
    client = pages.signed_in(Role.OPERATOR)
    whole, share, left = numbers(client, {"source": "dead_letters", "target": there.public_id})
    assert listed(client, whole[0]) == listed(client, share[0]) == [letters[0].id, letters[2].id]
    assert listed(client, left[0]) == [letters[1].id]


def test_a_list_that_takes_long_opens_at_once_and_then_asks_for_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dlq.plan.MANY", 1)
    make.dead(make.subscription(), 2)
    there = make.subscription(types=["none"]).public_id
    client = pages.signed_in(Role.OPERATOR)
    path = reverse("replay-new-counted")
    asked = {"source": "dead_letters", "target": there, "part": "sent"}
    shown = pages.text_of(client.get(path, asked))
    assert "dlq_" not in shown
    [by_itself] = re.findall(r'hx-get="(\?[^"]+)" hx-trigger="load', shown)
    [without_script] = re.findall(r'href="([^"]+rows=all)"', shown)
    for query, headers in ((by_itself, {"HX-Request": "true"}), (without_script, {})):
        response = client.get(f"{path}{unescape(query)}", headers=headers)
        assert {row.id for row in response.context["page"].rows} == set(
            DeadLetter.objects.values_list("id", flat=True)
        )
    assert "dlq_" in pages.text_of(client.get(path, {**asked, "target": ""}))


def test_what_died_after_the_dry_run_is_in_none_of_its_lists() -> None:
    to = make.subscription()
    [first] = make.dead(to)
    client = pages.signed_in(Role.OPERATOR)
    (path, _), *_ = numbers(client, {"source": "dead_letters"})
    make.dead(to)
    DeadLetter.objects.exclude(id=first).update(died_at=timezone.now())
    assert listed(client, path) == [first]


def test_it_leads_back_to_the_dry_run_and_can_be_had_as_a_file() -> None:
    to = make.subscription()
    make.dead(to)
    client = pages.signed_in(Role.OPERATOR)
    query = {"source": "dead_letters", "subscription": to.public_id, "part": "sent"}
    response = client.get(reverse("replay-new-counted"), query)
    back = unescape(re.findall(r'href="(/replays/new/\?[^"]+)"', pages.text_of(response))[0])
    assert "Replay 1 dead letter to 1 endpoint" in pages.words_of(client.get(back))
    for source, kind in (({}, "dlq_"), ({"source": "events", "target": to.public_id}, "evt_")):
        asked = {**query, "since": "1h", **source, "export": "jsonl"}
        response = client.get(reverse("replay-new-counted"), asked)
        [line] = b"".join(response.streaming_content).splitlines()
        assert f'"id":"{kind}' in line.decode().replace(" ", "")


def test_a_query_that_says_nothing_goes_to_the_form_and_an_unknown_part_is_what_is_sent() -> None:
    [letter] = make.dead(make.subscription())
    client = pages.signed_in(Role.OPERATOR)
    path = reverse("replay-new-counted")
    response = client.get(path, {"source": "events", "since": "soon"})
    assert response.status_code == 302
    assert "Write 15m, 2h or 7d" in pages.text_of(client.get(response["Location"]))
    assert listed(client, f"{path}?source=dead_letters&part=none&endpoint=sub_no") == [letter]
