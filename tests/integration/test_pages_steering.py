"""Pause, resume, disable, park: each is taken back as it was; bad input does nothing."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from events import operate
from events.roles import Role
from events.rules.states import SubscriptionState
from tests import make, pages

pytestmark = pytest.mark.django_db


def said(response: HttpResponse) -> str:
    return " ".join(str(one) for one in get_messages(response.wsgi_request))


def test_a_pause_can_be_undone_from_its_message() -> None:
    row = make.subscription()
    client = pages.signed_in(Role.OPERATOR)
    form = {"reason": "a release", "minutes": "15"}
    shown = client.post(reverse("subscription-pause", args=[row.id]), form, follow=True)
    row.refresh_from_db()
    assert (row.state, row.state_reason) == (SubscriptionState.PAUSED, "a release")
    assert row.resume_at is not None
    undo = reverse("subscription-resume", args=[row.id])
    assert f'action="{undo}"' in pages.text_of(shown)
    client.post(undo)
    row.refresh_from_db()
    assert row.state == SubscriptionState.ACTIVE


def undo_of(answer: HttpResponse) -> str:
    """Where the undo in a message posts to."""
    [found] = re.findall(r'action="(/subscriptions/[^"]+/undo-[^"]+)"', pages.text_of(answer))
    return html.unescape(found)


def test_of_two_who_pause_the_second_is_told_and_changes_nothing() -> None:
    row = make.subscription()
    path = reverse("subscription-pause", args=[row.id])
    pages.signed_in(Role.OPERATOR).post(path, {"reason": "a release", "minutes": "60"})
    row.refresh_from_db()
    answer = pages.signed_in(Role.ADMIN).post(path, {"reason": "mine", "minutes": "15"})
    assert said(answer).startswith("It is paused already, by user:operator.")
    until = row.resume_at
    row.refresh_from_db()
    assert (row.state_reason, row.resume_at) == ("a release", until)


@pytest.mark.parametrize(("action", "role"), [("disable", Role.ADMIN), ("resume", Role.OPERATOR)])
def test_the_undo_of_a_disable_or_a_resume_brings_the_pause_back_as_it_was(
    action: str, role: Role
) -> None:
    row, until = make.subscription(), timezone.now() + timedelta(hours=4)
    operate.pause(actor="user:a", subscription=row.id, reason="a release", until=until)
    client = pages.signed_in(role)
    path = reverse(f"subscription-{action}", args=[row.id])
    undo = undo_of(client.post(path, {"reason": "gone"}, follow=True))
    client.post(undo)
    row.refresh_from_db()
    assert (row.state, row.state_reason, row.resume_at) == ("paused", "a release", until)
    assert "Its state was changed since" in said(client.post(undo))


def test_the_undo_of_a_disable_activates_what_was_active_and_only_for_an_admin() -> None:
    row = make.subscription()
    admin, operator = pages.signed_in(Role.ADMIN), pages.signed_in(Role.OPERATOR)
    undo = undo_of(admin.post(reverse("subscription-disable", args=[row.id]), follow=True))
    assert operator.post(undo).status_code == 403
    assert "changed since" in said(operator.post(undo.replace("undo-disable", "undo-resume")))
    admin.post(undo)
    row.refresh_from_db()
    assert row.state == SubscriptionState.ACTIVE


@pytest.mark.parametrize(
    ("act", "form"),
    [
        ("pause", {"minutes": "90"}),
        ("pause", {"reason": "x" * 201, "minutes": "15"}),
        ("open-breaker", {"minutes": "0"}),
        ("open-breaker", {"minutes": "soon"}),
        ("open-breaker", {}),
        ("disable", {"reason": "x" * 201}),
    ],
)
def test_a_form_that_is_wrong_does_nothing_and_says_why(act: str, form: dict[str, str]) -> None:
    row = make.subscription()
    response = pages.signed_in(Role.ADMIN).post(reverse(f"subscription-{act}", args=[row.id]), form)
    assert said(response).startswith("Nothing was done. ")
    row.refresh_from_db()
    assert (row.state, row.lane.state) == ("active", "closed")
