"""The number of what a replay left out opens what it counts, as a page and over REST."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter, Replay
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from events import operate
from events.console.paging import SIZE
from events.models import Event
from events.roles import Role
from events.rules.ids import Prefix, encode
from tests import make, pages
from tests.integration.test_left_out import half_gone, run
from tests.rest import operator

pytestmark = pytest.mark.django_db

MANY = SIZE + 3


def left_open() -> list[str]:
    return [row.public_id for row in DeadLetter.objects.open().order_by("-id")]


def paths_of(client: Client, path: str) -> set[tuple[str, str]]:
    """Where the number of what was left out leads to, and what it says."""
    shown = pages.text_of(client.get(path))
    return set(re.findall(r'href="(/replays/[^"]+/left-out/)"[^>]*>([\d,]+)</a>', shown))


def test_the_number_of_a_replay_opens_all_that_it_counts_walked_both_ways() -> None:
    job, client = run(half_gone(2 * MANY)), pages.signed_in(Role.VIEWER)
    path = reverse("replay-left-out", args=[job.id])
    for shown in (reverse("replay", args=[job.id]), reverse("replays")):
        assert paths_of(client, shown) == {(path, str(MANY))}
    first = client.get(path).context["page"]
    then = client.get(path, {"before": first.older}).context["page"]
    rows = [encode(Prefix.DEAD_LETTER, row.source) for row in (*first.rows, *then.rows)]
    assert (len(first.rows), rows) == (SIZE, left_open())
    back = client.get(path, {"after": then.newer}).context["page"]
    assert [row.source for row in back.rows] == [row.source for row in first.rows]


def test_a_letter_is_shown_with_its_type_its_subscription_and_the_reason() -> None:
    job = run(half_gone(2))
    shown = pages.text_of(
        pages.signed_in(Role.VIEWER).get(reverse("replay-left-out", args=[job.id]))
    )
    [letter] = DeadLetter.objects.open()
    for part in (
        f'href="{reverse("dead-letter", args=[letter.id])}"',
        f'href="{reverse("subscription", args=[letter.subscription])}"',
        "order.paid",
        "Its event expired",
    ):
        assert part in shown, part


def test_an_event_is_shown_with_the_subscription_that_was_deleted() -> None:
    make.published(make.event(type="cart.left"))
    to = make.subscription(name="Carts", types=["none"])
    order = Order(ReplaySource.EVENTS, Criteria(), token="t", target=to.id)
    job = start(order, actor=make.ACTOR)
    operate.delete_subscription(actor=make.ACTOR, subscription=to.id)
    run(job)
    shown = pages.text_of(
        pages.signed_in(Role.VIEWER).get(reverse("replay-left-out", args=[job.id]))
    )
    event = Event.objects.get()
    for part in (event.public_id, "cart.left", "Carts", "The subscription was deleted."):
        assert part in shown, part


def test_a_full_page_costs_no_more_than_twelve_queries() -> None:
    path = reverse("replay-left-out", args=[run(half_gone(2 * MANY)).id])
    client = pages.signed_in(Role.OPERATOR)
    with pages.at_most(12):
        response = client.get(path)
    assert len(response.context["rows"]) == SIZE
    assert len(response.content) < 60_000


def test_a_replay_that_left_nothing_out_says_so_and_one_long_over_that_it_is_forgotten() -> None:
    make.dead(make.subscription(), 1)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t")
    none, some = run(start(order, actor=make.ACTOR)), run(half_gone())
    over = timezone.now() - timedelta(days=settings.REDRIVE_RETENTION_DAYS, hours=1)
    Replay.objects.filter(id=some.id).update(finished_at=over)
    client = pages.signed_in(Role.VIEWER)
    for job, words in ((none, "It left nothing out"), (some, "They are not kept any more")):
        shown = pages.text_of(client.get(reverse("replay-left-out", args=[job.id])))
        assert words in shown
        assert "<tbody>" not in shown


def test_they_are_listed_over_rest_page_by_page() -> None:
    job, rest = run(half_gone(10)), operator()
    first = rest.get(f"replays/{job.public_id}/skipped", limit=3).json
    then = rest.get(f"replays/{job.public_id}/skipped", limit=3, cursor=first["next_cursor"]).json
    found = [*first["data"], *then["data"]]
    assert [one["id"] for one in found] == left_open()
    assert {one["reason"] for one in found} == {"event_gone"}
    assert then["next_cursor"] is None
