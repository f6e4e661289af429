"""What a click will do is said beside the button, before it."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from events.roles import Role
from tests import make, pages

pytestmark = pytest.mark.django_db


def described(path: str) -> dict[str, str]:
    """The buttons of a page that point to words about them, with those words."""
    shown = pages.text_of(pages.signed_in(Role.ADMIN).get(path))
    forms = re.findall(r'<form method="post" action="([^"]+)".*?</form>', shown, re.DOTALL)
    found = {}
    for action in forms:
        form = shown.partition(f'action="{action}"')[2].partition("</form>")[0]
        for name in re.findall(r'aria-describedby="([^"]+)">', form):
            [words] = re.findall(rf'<p class="[^"]+" id="{name}">(.*?)</p>', shown)
            found[action] = words
    return found


def test_the_revocation_of_a_key() -> None:
    make.api_key()
    [words] = described(reverse("keys")).values()
    assert "within five seconds" in words


def test_the_acts_on_a_user() -> None:
    found = described(reverse("users"))
    verbs = {path.rstrip("/").rpartition("/")[2] for path in found}
    assert verbs == {"deactivate", "password", "sign-out"}


def test_the_cancel_of_a_delivery() -> None:
    to = make.subscription()
    owed = make.owed(to)
    assert reverse("delivery-cancel", args=[owed]) in described(reverse("delivery", args=[owed]))


def test_the_disable_of_a_subscription_counts_what_it_is_owed() -> None:
    to = make.subscription()
    make.backlog(to, 3)
    found = described(reverse("subscription", args=[to.id]))
    assert found[reverse("subscription-disable", args=[to.id])].startswith("3 deliveries are owed")


def test_the_cancel_of_a_replay() -> None:
    make.dead(make.subscription(), 3)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t", rate=1.0)
    replay = start(order, actor=make.ACTOR)
    found = described(reverse("replay", args=[replay.id]))
    assert "stay owed" in found[reverse("replay-cancel", args=[replay.id])]
