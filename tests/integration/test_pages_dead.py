"""Groups show their last day; dead letters are ticked and replayed or discarded together."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq import settle
from dlq.console.sparks import sparks_of
from dlq.models import DeadLetter, DeathHour, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from dlq.tasks import forget_old
from events import bulk, choose, operate
from events.models.bulk import BulkVerb
from events.roles import Role
from events.rules.outcome import Responded
from tests import make, pages

pytestmark = pytest.mark.django_db


def test_each_hour_of_a_group_is_counted_as_it_is_buried() -> None:
    to = make.subscription()
    make.dead(to, 3)
    make.dead(to, 2)
    group = Signature.objects.get()
    spark = sparks_of([group.id], timezone.now())[group.id]
    assert (spark.total, spark.most) == (5, 5)
    DeathHour.objects.update(hour=F("hour") - timedelta(hours=3))
    later = sparks_of([group.id], timezone.now())[group.id]
    assert later.path.count("M") == 1
    assert later.path != spark.path


def test_the_list_of_groups_draws_it_with_words_beside() -> None:
    make.dead(make.subscription(), 4)
    client = pages.signed_in(Role.VIEWER)
    with pages.at_most(12):
        shown = pages.text_of(client.get(reverse("dead-letters")))
    assert "4 died in 24 hours, at most 4 in an hour" in shown


def test_old_hours_are_forgotten_and_no_letter_with_them() -> None:
    make.dead(make.subscription(), 1)
    DeathHour.objects.update(hour=F("hour") - timedelta(days=3))
    forget_old()
    assert not DeathHour.objects.exists()
    assert DeadLetter.objects.count() == 1


def ticked(many: int) -> list[str]:
    letters = DeadLetter.objects.order_by("id")[:many]
    return [letter.public_id for letter in letters]


def test_what_is_ticked_goes_on_to_the_dry_run_of_its_replay() -> None:
    make.dead(make.subscription(), 3)
    client = pages.signed_in(Role.OPERATOR)
    form = {"ids": ticked(2), "verb": "replay"}
    answer = client.post(reverse("dead-letters-picked"), form)
    assert answer.status_code == 302
    assert "Replay 2 dead letters to 1 endpoint" in pages.words_of(client.get(answer["Location"]))


def test_what_is_ticked_is_discarded_and_the_list_comes_back() -> None:
    make.dead(make.subscription(), 3)
    client = pages.signed_in(Role.OPERATOR)
    back = "/dead-letters/all/?type=order.paid"
    form = {"ids": ticked(2), "verb": "discard", "back": back}
    answer = client.post(reverse("dead-letters-picked"), form, follow=True)
    assert answer.redirect_chain == [(back, 302)]
    assert "Discarded 2." in pages.text_of(answer)
    assert DeadLetter.objects.open().count() == 1


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/", "//elsewhere.example", "/settings/"]
)
def test_it_leads_back_to_lists_of_dead_letters_only(back: str) -> None:
    client = pages.signed_in(Role.OPERATOR)
    answer = client.post(reverse("dead-letters-picked"), {"ids": ["x"], "back": back})
    assert answer["Location"] == reverse("dead-letters-all")


def test_a_viewer_has_nothing_to_tick_and_may_not_post() -> None:
    make.dead(make.subscription(), 1)
    client = pages.signed_in(Role.VIEWER)
    assert 'name="ids"' not in pages.text_of(client.get(reverse("dead-letters-all")))
    form = {"ids": ticked(1), "verb": "discard"}
    assert client.post(reverse("dead-letters-picked"), form).status_code == 403
    assert DeadLetter.objects.open().count() == 1


@pytest.mark.django_db(transaction=True)
def test_all_that_match_are_counted_then_discarded_then_put_back() -> None:
    make.dead(make.subscription(name="Orders"), 3)
    other = make.subscription(name="Parcels")
    make.dead(other, 2)
    client = pages.signed_in(Role.OPERATOR)
    of = {"subscription": other.public_id}
    looked = client.get(reverse("dead-letters-discard"), of)
    assert "Discard 2 dead letters of 1 endpoint" in pages.text_of(looked)
    before = DeadLetter.objects.open().count()
    confirm = action_in(looked, "discard")
    make.dead(other, 1)
    more = DeadLetter.objects.open().count()
    done = client.post(confirm, follow=True)
    assert "Discarded 2." in pages.text_of(done)
    assert more > before
    assert DeadLetter.objects.open().count() == more - 2
    assert "nothing open to discard" in pages.text_of(client.post(confirm, follow=True))
    undone = client.post(action_in(done, "restore"), follow=True)
    assert "Put 2 back on the list." in pages.text_of(undone)
    assert DeadLetter.objects.open().count() == more


def test_the_list_of_discarded_letters_puts_back_what_it_shows() -> None:
    make.dead(make.subscription(), 3)
    client = pages.signed_in(Role.OPERATOR)
    client.post(reverse("dead-letters-picked"), {"ids": ticked(3), "verb": "discard"})
    shown = client.get(reverse("dead-letters-all"), {"state": "discarded"})
    client.post(action_in(shown, "restore"))
    assert DeadLetter.objects.open().count() == 3


@pytest.mark.parametrize("query", ["?since=nonsense", "?state=replayed"])
def test_what_is_not_open_or_not_understood_is_not_discarded(query: str) -> None:
    make.dead(make.subscription(), 1)
    client = pages.signed_in(Role.OPERATOR)
    answer = client.post(reverse("dead-letters-discard") + query)
    assert answer["Location"] == reverse("dead-letters-all") + query
    client.post(reverse("dead-letters-restore") + "?at=nonsense")
    assert DeadLetter.objects.open().count() == 1


def action_in(answer: HttpResponse, verb: str) -> str:
    """Where the page's form for a verb posts to."""
    shown = re.findall(r'action="(/dead-letters/[^"]+)"', pages.text_of(answer))
    return html.unescape(next(one for one in shown if one.startswith(f"/dead-letters/{verb}/?")))


def test_only_open_letters_are_offered_for_a_replay() -> None:
    make.dead(make.subscription(), 2)
    client = pages.signed_in(Role.OPERATOR)
    path = reverse("dead-letters-all")
    assert "Replay these…" in pages.text_of(client.get(path))
    settle.discard(Criteria(), actor=make.ACTOR)
    for state in ("discarded", "all"):
        shown = pages.text_of(client.get(path, {"state": state}))
        assert "Replay these…" not in shown, state


def test_a_dry_run_leaves_deleted_subscriptions_out_and_says_how_many_endpoints_are_not_shown() -> (
    None
):
    made = [make.subscription(name=f"s{n}", types=[f"s{n}"]) for n in range(23)]
    for to in made:
        make.backlog(to, 1, type=to.name)
    make.recorded(Responded(500))
    operate.delete_subscription(actor=make.ACTOR, subscription=made[0].id)
    client = pages.signed_in(Role.OPERATOR)
    shown = pages.words_of(client.get(reverse("replay-new"), {"source": "dead_letters"}))
    assert "Replay 22 dead letters to 22 endpoints" in shown
    assert "and 2 more endpoints" in shown
    assert "1 more was owed to a subscription that is deleted" in shown


def title_of(client: Client, path: str) -> str:
    found = re.search("<title>(.*?)</title>", pages.text_of(client.get(path)))
    assert found is not None
    return html.unescape(found[1])


def test_the_titles_of_lists_begin_with_their_state() -> None:
    to = make.subscription()
    make.dead(to, 2)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t")
    start(order, actor=make.ACTOR)
    bulk.start(bulk.Order(BulkVerb.RETRY, choose.Criteria(), "t"), actor=make.ACTOR)
    client = pages.signed_in(Role.VIEWER)
    assert title_of(client, reverse("dead-letters")) == "2 open · Dead letters · Redrive"
    assert title_of(client, reverse("dead-letters-all")).startswith("open · ")
    assert title_of(client, reverse("dead-letters-all") + "?state=discarded").startswith(
        "discarded · "
    )
    assert title_of(client, reverse("replays")) == "1 running · Replays · Redrive"
    assert title_of(client, reverse("bulk-jobs")) == "1 running · Bulk jobs · Redrive"
    assert title_of(client, reverse("deliveries") + "?state=dead") == "dead · Deliveries · Redrive"
