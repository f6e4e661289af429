"""The number that a replay says others have settled opens exactly those."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from dlq.models import DeadLetter, Replay
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start, step
from dlq.select import Criteria
from events import operate
from events.models import Event, Lane
from events.roles import Role
from events.rules.outcome import Responded
from events.uuids import new_uuid
from tests import make, pages
from tests.integration.test_left_out import half_gone, run

pytestmark = pytest.mark.usefixtures("transactional_db")


def started(criteria: Criteria) -> Replay:
    order = Order(ReplaySource.DEAD_LETTERS, criteria, token=str(new_uuid()))
    return start(order, actor=make.ACTOR)


def number_of(client: Client, job: Replay) -> int:
    shown = pages.text_of(client.get(reverse("replay", args=[job.id])))
    found = re.findall(rf'href="{reverse("replay-settled", args=[job.id])}">([\d,]+)</a>', shown)
    return int(found[0]) if found else 0


def listed(client: Client, job: Replay) -> list[object]:
    with pages.at_most(12):
        response = client.get(reverse("replay-settled", args=[job.id]))
    return [row.id for row in response.context["page"].rows]


def test_letters_that_were_discarded_replayed_delivered_or_lost_their_subscription() -> None:
    to, gone = make.subscription(max_concurrency=100), make.subscription(types=["none"])
    make.dead(to, 6)
    Lane.objects.update(state="closed", failures=0)
    client = pages.signed_in(Role.OPERATOR)
    discarded, replayed, arrived, moved, *rest = DeadLetter.objects.order_by("id")
    DeadLetter.objects.filter(id=moved.id).update(subscription=gone.id)
    job = started(Criteria())
    client.post(reverse("dead-letter-discard", args=[discarded.id]))
    run(started(Criteria(ids=(replayed.id,))))
    events = Order(
        ReplaySource.EVENTS, Criteria(ids=(arrived.event,)), token="events", target=to.id
    )
    run(start(events, actor=make.ACTOR))
    make.recorded(Responded(200))
    operate.delete_subscription(actor=make.ACTOR, subscription=gone.id)
    run(job)
    assert Replay.objects.get(id=job.id).made == len(rest)
    assert number_of(client, job) == 4
    expected = [moved.id, arrived.id, replayed.id, discarded.id]
    assert sorted(map(str, listed(client, job))) == sorted(map(str, expected))
    # What dies, or is settled, after its end is not of it.
    make.dead(to)
    client.post(reverse("dead-letter-discard", args=[DeadLetter.objects.latest("id").id]))
    assert len(listed(client, job)) == 4


def test_picked_ones_have_their_list_too_and_what_it_left_out_is_not_on_it() -> None:
    job, client = half_gone(4), pages.signed_in(Role.OPERATOR)
    first = DeadLetter.objects.open().earliest("id")
    picked = started(Criteria(ids=(first.id,)))
    client.post(reverse("dead-letter-discard", args=[first.id]))
    run(job)
    run(picked)
    for one in (job, picked):
        assert (number_of(client, one), listed(client, one)) == (1, [first.id])
    assert Replay.objects.get(id=job.id).skipped > 0


def test_events_that_were_delivered_meanwhile_as_a_page_and_a_file() -> None:
    to = make.subscription(types=["none"])
    make.published(make.event(), make.event())
    first = Event.objects.earliest("id")
    client = pages.signed_in(Role.VIEWER)
    every = Order(ReplaySource.EVENTS, Criteria(type="order.paid"), token="t", target=to.id)
    job = start(every, actor=make.ACTOR)
    one = Order(ReplaySource.EVENTS, Criteria(ids=(first.id,)), token="one", target=to.id)
    run(start(one, actor=make.ACTOR))
    make.recorded(Responded(200))
    run(job)
    assert (number_of(client, job), listed(client, job)) == (1, [first.id])
    path = reverse("replay-settled", args=[job.id])
    [line] = b"".join(client.get(path, {"export": "jsonl"}).streaming_content).splitlines()
    assert first.public_id in line.decode()


@pytest.mark.parametrize("again", [False, True])
def test_an_event_that_it_sent_itself_is_not_of_it(again: bool) -> None:
    """Though another one delivered it meanwhile, too."""
    to = make.subscription(types=["none"])
    make.published(make.event(), make.event())
    first = Event.objects.earliest("id")
    picked = Criteria(ids=(first.id,))
    one = Order(ReplaySource.EVENTS, picked, token="one", target=to.id, again=True)
    order = Order(ReplaySource.EVENTS, Criteria(), token="t", target=to.id, again=again)
    job = start(order, actor=make.ACTOR)
    if again:
        run(start(one, actor=make.ACTOR))
        make.recorded(Responded(200))
    step(job.id)
    if not again:
        run(start(one, actor=make.ACTOR))
        make.recorded(Responded(200))
    assert run(job).made == 2
    client = pages.signed_in(Role.VIEWER)
    assert (number_of(client, job), listed(client, job)) == (0, [])


def test_a_replay_that_nobody_overtook_says_so() -> None:
    make.dead(make.subscription())
    job, client = run(started(Criteria())), pages.signed_in(Role.VIEWER)
    assert number_of(client, job) == 0
    response = client.get(reverse("replay-settled", args=[job.id]))
    assert "None that is kept" in pages.text_of(response)
