"""Every act on a subscription or a delivery leaves one entry, with what was before and after."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from events import operate
from events.access import issue_key, revoke_key
from events.models import AuditEntry, Lane, Subscription
from events.rules.outcome import Responded
from tests import make

pytestmark = pytest.mark.django_db

SECRET = "whsec_c2VjcmV0IG9mIHRoZSBvbmUgd2hvIHJvdGF0ZXMhIQ=="
HEADER = "a value that only its receiver may read"


def waiting(to: Subscription) -> Any:
    """A delivery that is tried again in an hour."""
    delivery = make.owed(to)
    make.recorded(Responded(500), schedule=[3600.0])
    return delivery


def state_since(to: Subscription) -> datetime:
    return Subscription.objects.values_list("state_since", flat=True).get(id=to.id)


ACTS: dict[str, Callable[[Subscription], object]] = {
    "change_subscription": lambda to: operate.change_subscription(
        actor="a", subscription=to.id, fields={"headers": {"x-key": HEADER}, "adaptive": True}
    ),
    "pause": lambda to: operate.pause(
        actor="a",
        subscription=to.id,
        reason="moving",
        until=timezone.now() + timedelta(hours=1),
    ),
    "resume": lambda to: operate.resume(actor="a", subscription=to.id),
    "enable": lambda to: operate.enable(actor="a", subscription=to.id),
    "disable": lambda to: operate.disable(actor="a", subscription=to.id, reason="gone"),
    "undo": lambda to: operate.undo(
        actor="a", subscription=to.id, action="disable", since=state_since(to)
    ),
    "rotate_secret": lambda to: operate.rotate_secret(actor="a", subscription=to.id, secret=SECRET),
    "open_breaker": lambda to: operate.open_breaker(actor="a", subscription=to.id, seconds=60),
    "close_breaker": lambda to: operate.close_breaker(actor="a", subscription=to.id),
    "reset_breaker": lambda to: operate.reset_breaker(actor="a", subscription=to.id),
    "retry": lambda to: operate.retry(actor="a", delivery=waiting(to)),
    "cancel": lambda to: operate.cancel(actor="a", delivery=make.owed(to)),
    "delete_subscription": lambda to: operate.delete_subscription(actor="a", subscription=to.id),
}


def prepare(verb: str, to: Subscription) -> None:
    """So that the act changes something."""
    if verb == "resume":
        operate.pause(actor="b", subscription=to.id)
    elif verb in ("enable", "undo"):
        operate.disable(actor="b", subscription=to.id, reason="x")
    elif verb in ("close_breaker", "reset_breaker"):
        operate.open_breaker(actor="b", subscription=to.id, seconds=60)
        Lane.objects.update(failures=4)


def test_every_act_that_has_an_actor_is_among_these() -> None:
    acts = {
        name
        for name, verb in inspect.getmembers(operate, inspect.isfunction)
        if verb.__module__ == operate.__name__
        and not name.startswith("_")
        and "actor" in inspect.signature(verb).parameters
    }
    assert acts == {*ACTS, "create_subscription"}


@pytest.mark.parametrize("verb", ACTS)
def test_an_act_leaves_what_was_before_and_after_and_no_secret(verb: str) -> None:
    to = make.subscription()
    prepare(verb, to)
    ACTS[verb](to)
    entry = AuditEntry.objects.get(actor="a")
    assert entry.before
    assert entry.after
    assert entry.before != entry.after
    kept = f"{entry.before}{entry.after}"
    assert SECRET not in kept
    assert HEADER not in kept


def test_what_is_made_has_nothing_before() -> None:
    to = make.subscription(tenant="acme", adaptive=True)
    entry = AuditEntry.objects.get(action="create", target=to.public_id)
    assert entry.before is None
    assert (entry.after["tenant"], entry.after["adaptive"]) == ("acme", True)
    assert make.SECRET not in str(entry.after)


def test_a_pause_says_until_when() -> None:
    to = make.subscription()
    ACTS["pause"](to)
    entry = AuditEntry.objects.get(action="pause")
    assert (entry.before["resume_at"], entry.after["reason"]) == (None, "moving")
    assert entry.after["resume_at"] == Subscription.objects.get().resume_at.isoformat()


def test_a_key_that_is_revoked_leaves_both_too() -> None:
    row, text = issue_key(actor="a", name="shop", scopes=["read"], tenant=None, expires_at=None)
    revoke_key(actor="a", key=row.id)
    entry = AuditEntry.objects.get(action="revoke-key")
    assert (entry.before["revoked"], entry.after["revoked"]) == (False, True)
    assert text not in f"{entry.before}{entry.after}"
