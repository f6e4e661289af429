"""What the buttons do: each works as a plain form and is in the audit log."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.urls import reverse

from dlq.models import DeadLetter, Replay, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from events.keys import keyring
from events.models import ApiKey, AuditEntry, Secret, Subscription
from events.roles import Role, role_of
from events.rules.states import SubscriptionState
from events.vault import decrypt, encrypt
from tests import make, pages

pytestmark = pytest.mark.django_db

GOOD: dict[str, Any] = {
    "url": "http://127.0.0.1:9099/hook",
    "types": "order.*",
    "schedule": "5s 30s 2m",
    "timeout": "15",
    "max_concurrency": "10",
    "format": "binary",
    "authentication": "none",
}


def said(response: HttpResponse) -> str:
    return " ".join(str(one) for one in get_messages(response.wsgi_request))


def test_a_subscription_is_made_its_secret_shown_once_and_the_maker_audited() -> None:
    client = pages.signed_in(Role.ADMIN)
    response = client.post(reverse("subscription-new"), {**GOOD, "paused": "on"})
    row = Subscription.objects.get()
    assert "whsec_" in pages.text_of(response)
    assert row.schedule == [5.0, 30.0, 120.0]
    assert row.state == SubscriptionState.PAUSED
    page = pages.text_of(client.get(reverse("subscription", args=[row.id])))
    assert "whsec_" not in page
    assert set(AuditEntry.objects.values_list("actor", "action")) == {
        ("user:admin", "create"),
        ("user:admin", "pause"),
    }


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("url", "http://10.0.0.1/", "a private address"),
        ("types", "a..b", "two dots"),
        ("filter", "data.", "filter"),
        ("schedule", "soon", "is no wait"),
        ("max_concurrency", "0", "between"),
        ("headers", "nonsense", "is no header"),
        ("headers", "Host: x", "set by Redrive"),
    ],
)
def test_a_wrong_field_is_explained_and_what_was_typed_stays(
    field: str, value: str, words: str
) -> None:
    client = pages.signed_in(Role.ADMIN)
    response = client.post(reverse("subscription-new"), {**GOOD, field: value})
    assert response.status_code == 422
    assert words in " ".join(response.context["form"].errors.get(field, [])), field
    assert not Subscription.objects.exists()


def test_an_edit_keeps_secrets_that_it_never_saw_and_removes_what_was_taken_out() -> None:
    row = make.subscription(headers={"x-a": encrypt("first-value"), "x-b": encrypt("two")})
    client = pages.signed_in(Role.ADMIN)
    form = {**GOOD, "headers": "x-a: •••\nx-c: three"}
    assert client.post(reverse("subscription-edit", args=[row.id]), form).status_code == 302
    row.refresh_from_db()
    kept = {name: decrypt(value) for name, value in row.headers.items()}
    assert kept == {"x-a": "first-value", "x-c": "three"}
    assert "first-value" not in pages.text_of(
        client.get(reverse("subscription-edit", args=[row.id]))
    )


def test_a_filter_is_tried_on_what_arrived_before_anything_is_saved() -> None:
    json = {"datacontenttype": "application/json"}
    make.published(make.event(data=b'{"n": 1}', **json), make.event(data=b'{"n": 9}', **json))
    client = pages.signed_in(Role.ADMIN)
    form = {**GOOD, "filter": "data.n > 5", "do": "try"}
    whole = client.post(reverse("subscription-new"), form)
    assert "1 of the last 2 match." in pages.text_of(whole)
    assert 'value="http://127.0.0.1:9099/hook"' in pages.text_of(whole)
    part = client.post(reverse("subscription-new"), form, headers={"HX-Request": "true"})
    assert pages.text_of(part).strip().startswith('<div id="trial"')
    assert not Subscription.objects.exists()


def test_a_delete_asks_for_the_name_and_says_what_it_cancels() -> None:
    row = make.subscription(name="Orders")
    make.backlog(row, 3)
    client, path = pages.signed_in(Role.ADMIN), reverse("subscription-delete", args=[row.id])
    assert "3 deliveries that it is still owed are cancelled." in pages.text_of(client.get(path))
    client.post(path, {"name": "orders"})
    assert Subscription.objects.existing().exists()
    client.post(path, {"name": "Orders"})
    assert not Subscription.objects.existing().exists()


def test_a_rotation_shows_the_new_secret_once() -> None:
    row = make.subscription()
    client = pages.signed_in(Role.ADMIN)
    response = client.post(reverse("subscription-rotate", args=[row.id]))
    assert "whsec_" in pages.text_of(response)
    assert "no-store" in response["Cache-Control"]
    assert Secret.objects.filter(subscription=row).count() == 2


def test_what_cannot_be_done_is_said_and_what_is_not_there_is_not_found() -> None:
    row = make.subscription()
    [dead] = make.dead(row)
    client = pages.signed_in(Role.OPERATOR)
    response = client.post(reverse("delivery-retry", args=[dead]))
    assert "Only a pending delivery can be retried" in said(response)
    assert client.post(reverse("subscription-pause", args=[dead])).status_code == 404
    assert client.get("/deliveries/dlv_00000000000000000000000000/").status_code == 404
    assert client.get("/deliveries/dlv_nonsense/").status_code == 404


def test_a_group_is_discarded_at_once_and_put_back() -> None:
    make.dead(make.subscription(), 3)
    group = Signature.objects.get()
    client = pages.signed_in(Role.OPERATOR)
    answer = client.post(reverse("dead-letter-group-discard", args=[group.id]), follow=True)
    assert "Discarded 3." in pages.text_of(answer)
    assert not DeadLetter.objects.open().exists()
    client.post(undo_in(answer))
    assert DeadLetter.objects.open().count() == 3


def undo_in(answer: HttpResponse) -> str:
    """Where the undo of what was just done posts to."""
    [found] = re.findall(r'action="(/dead-letters/restore/[^"]+)"', pages.text_of(answer))
    return html.unescape(found)


def hidden(response: HttpResponse) -> dict[str, str]:
    found: dict[str, str] = response.context["hidden"]
    return found


def test_a_dry_run_counts_exactly_and_a_double_click_is_one_replay() -> None:
    make.dead(make.subscription(name="Orders"), 7)
    client = pages.signed_in(Role.OPERATOR)
    tried = client.get(reverse("replay-new"), {"source": "dead_letters", "rate": "5"})
    assert "Replay 7 dead letters to 1 endpoint at 5/s" in pages.words_of(tried)
    assert not Replay.objects.exists()
    first = client.post(reverse("replay-new"), hidden(tried))
    second = client.post(reverse("replay-new"), hidden(tried))
    replay = Replay.objects.get()
    assert first["Location"] == second["Location"] == reverse("replay", args=[replay.id])
    assert (replay.total, replay.rate, replay.created_by) == (7, 5.0, "user:operator")


def test_a_moved_set_brings_the_confirmation_back_with_the_new_number() -> None:
    letters = make.dead(make.subscription(), 7)
    client = pages.signed_in(Role.OPERATOR)
    tried = client.get(reverse("replay-new"), {"source": "dead_letters"})
    client.post(reverse("dead-letter-discard", args=[letters[0]]))
    again = client.post(reverse("replay-new"), hidden(tried))
    assert again.status_code == 409
    assert "The set moved while you looked" in pages.text_of(again)
    assert "Replay 6 dead letters" in pages.words_of(again)
    assert not Replay.objects.exists()
    client.post(reverse("replay-new"), hidden(again))
    assert Replay.objects.get().total == 6


@pytest.mark.django_db(transaction=True)
def test_what_dies_after_the_dry_run_is_not_in_it() -> None:
    to = make.subscription()
    make.dead(to, 2)
    client = pages.signed_in(Role.OPERATOR)
    tried = client.get(reverse("replay-new"), {"source": "dead_letters"})
    make.dead(to, 3)
    client.post(reverse("replay-new"), hidden(tried))
    assert Replay.objects.get().total == 2


def test_events_need_somewhere_to_go_and_a_beginning() -> None:
    client = pages.signed_in(Role.OPERATOR)
    form = client.get(reverse("replay-new"), {"source": "events"}).context["form"]
    assert form.errors.keys() == {"target", "since"}


def test_a_key_is_shown_once_and_works_until_it_is_revoked() -> None:
    client = pages.signed_in(Role.ADMIN)
    response = client.post(reverse("key-new"), {"name": "shop", "scopes": ["publish"]})
    text, row = response.context["text"], ApiKey.objects.get()
    assert text in pages.text_of(response)
    assert text not in pages.text_of(client.get(reverse("keys")))
    assert keyring.check(f"Bearer {text}") is not None
    client.post(reverse("key-revoke", args=[row.id]))
    assert keyring.check(f"Bearer {text}") is None
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"create-key", "revoke-key"}


def test_somebody_is_added_given_a_role_and_shut_out() -> None:
    client = pages.signed_in(Role.ADMIN)
    made = client.post(reverse("user-new"), {"name": "nora", "role": "viewer"})
    nora = User.objects.get(username="nora")
    assert nora.check_password(made.context["password"])
    client.post(reverse("user-role", args=[nora.pk]), {"role": "operator"})
    assert role_of(User.objects.get(pk=nora.pk)) is Role.OPERATOR
    theirs = client.__class__()
    theirs.force_login(nora, backend="django.contrib.auth.backends.ModelBackend")
    assert theirs.get(reverse("events")).status_code == 200
    client.post(reverse("user-deactivate", args=[nora.pk]))
    assert theirs.get(reverse("events")).status_code == 302


def test_a_changed_role_says_what_it_was() -> None:
    client = pages.signed_in(Role.ADMIN)
    nora = pages.person(Role.VIEWER, "nora")
    response = client.post(reverse("user-role", args=[nora.pk]), {"role": "operator"})
    assert said(response) == "The role is operator now; it was viewer."


def test_a_changed_rate_says_what_it_was() -> None:
    make.dead(make.subscription(), 3)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t", rate=2.0)
    row = start(order, actor=make.ACTOR)
    path = reverse("replay-rate", args=[row.id])
    response = pages.signed_in(Role.OPERATOR).post(path, {"rate": "5"})
    assert said(response) == "It goes on at 5 a second; it was 2 a second."


def test_the_last_admin_stays() -> None:
    client = pages.signed_in(Role.ADMIN)
    me = User.objects.get(username="admin")
    for path, form in (
        (reverse("user-role", args=[me.pk]), {"role": "viewer"}),
        (reverse("user-deactivate", args=[me.pk]), {}),
    ):
        assert "Nobody else is an admin" in said(client.post(path, form))
    assert role_of(User.objects.get(pk=me.pk)) is Role.ADMIN
