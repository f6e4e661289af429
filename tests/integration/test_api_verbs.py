"""What is done to a subscription over REST."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from events import operate
from events.engine.trial import send_tests
from events.models import AuditEntry, Lane, Secret, Subscription
from events.rules import signing
from tests import make
from tests.make import ACTOR, SECRET
from tests.receiver import Receiver
from tests.rest import operator

pytestmark = pytest.mark.django_db


def do(to: Subscription, verb: str, body: Any = None) -> Any:
    answer = operator().post(f"subscriptions/{to.public_id}/{verb}", body)
    assert answer.status == 200, answer.body
    return answer.json


def test_a_pause_keeps_its_reason_and_its_end() -> None:
    to = make.subscription()
    until = timezone.now() + timedelta(hours=2)
    found = do(to, "pause", {"reason": "moving house", "until": until.isoformat()})
    assert (found["state"], found["state_reason"]) == ("paused", "moving house")
    assert found["state_by"] == "key:shop"
    assert found["resume_at"] == until.isoformat().replace("+00:00", "Z")
    assert do(to, "resume")["state"] == "active"
    assert do(to, "resume")["resume_at"] is None


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "soon", 5, ""])
def test_a_pause_that_ends_in_the_past_is_refused(until: Any) -> None:
    to = make.subscription()
    refused = operator().post(f"subscriptions/{to.public_id}/pause", {"until": until})
    assert (refused.status, refused.code, refused.pointer) == (422, "invalid_field", "/until")


def test_what_is_disabled_is_enabled_not_resumed_or_paused() -> None:
    to = make.subscription()
    operate.disable(actor=ACTOR, subscription=to.id, reason="gone")
    for verb in ("pause", "resume"):
        refused = operator().post(f"subscriptions/{to.public_id}/{verb}")
        assert (refused.status, refused.code) == (409, "wrong_state")
    assert do(to, "enable")["state"] == "active"


def test_a_breaker_is_opened_closed_and_reset_by_hand() -> None:
    to = make.subscription()
    opened = do(to, "breaker/open", {"seconds": 90})["breaker"]
    assert opened["state"] == "open"
    assert opened["retry_at"] is not None
    assert do(to, "breaker/close")["breaker"]["state"] == "closed"
    Lane.objects.filter(pk=to.id).update(failures=4)
    assert do(to, "breaker/reset")["breaker"]["failures"] == 0
    acts = AuditEntry.objects.filter(target=to.public_id, action__endswith="-breaker")
    assert [one.action for one in acts] == ["reset-breaker", "close-breaker", "open-breaker"]


def test_a_breaker_that_is_closed_ramps_up_and_one_that_is_reset_is_wide_at_once() -> None:
    to = make.subscription(max_concurrency=8, adaptive=True)
    Lane.objects.filter(pk=to.id).update(limit=2, usual_ms=900.0)
    do(to, "breaker/open")
    closed = do(to, "breaker/close")["breaker"]
    assert (closed["ramp"], closed["limit"]) == (1, 2)
    reset = do(to, "breaker/reset")["breaker"]
    assert (reset["state"], reset["ramp"], reset["limit"]) == ("closed", None, 8)


def test_its_health_is_told_in_one_word_with_since_and_reason() -> None:
    to = make.subscription()
    failing = do(to, "breaker/open")
    assert failing["health"] == {
        "health": "failing",
        "since": failing["breaker"]["opened_at"],
        "reason": "its breaker is open",
    }
    assert do(to, "breaker/reset")["health"] == {"health": "healthy", "since": None, "reason": ""}
    paused = do(to, "pause", {"reason": "moving house"})
    assert paused["health"] == {
        "health": "paused",
        "since": paused["state_since"],
        "reason": "moving house",
    }


@pytest.mark.parametrize("seconds", [0, -1, 86_401, "5", None])
def test_a_breaker_is_opened_for_at_most_a_day(seconds: Any) -> None:
    to = make.subscription()
    path = f"subscriptions/{to.public_id}/breaker/open"
    refused = operator().post(path, {"seconds": seconds})
    assert (refused.status, refused.pointer) == (422, "/seconds")


def test_after_a_rotation_both_secrets_sign_for_a_day() -> None:
    to = make.subscription()
    found = do(to, "rotate-secret")
    assert found["secret"].startswith("whsec_")
    assert found["secret"] != SECRET
    new, old = found["signing_keys"]
    assert new["expires_at"] is None
    ends = Secret.objects.exclude(expires_at=None).get().expires_at
    assert ends is not None
    assert timedelta(hours=23) < ends - timezone.now() <= timedelta(hours=24)
    assert old["expires_at"] is not None


def test_a_rotation_may_change_the_algorithm_and_end_the_old_secret_at_once() -> None:
    to = make.subscription()
    found = do(to, "rotate-secret", {"signing": "ed25519", "overlap": 0})
    [key] = found["signing_keys"]
    assert key["public_key"] == signing.public_key(found["secret"])


def test_a_bad_secret_of_their_own_is_refused() -> None:
    to = make.subscription()
    path = f"subscriptions/{to.public_id}/rotate-secret"
    refused = operator().post(path, {"secret": "whsec_!"})
    assert (refused.code, refused.pointer) == ("invalid_field", "/secret")
    assert Secret.objects.count() == 1


@pytest.mark.parametrize("verb", ["pause", "resume", "enable", "rotate-secret", "breaker/close"])
def test_a_verb_on_what_is_deleted_is_404(verb: str) -> None:
    to = make.subscription()
    operate.delete_subscription(actor=ACTOR, subscription=to.id)
    assert operator().post(f"subscriptions/{to.public_id}/{verb}").status == 404


@contextmanager
def dispatcher() -> Iterator[None]:
    """Sends the tests that are asked for meanwhile."""
    ending = threading.Event()

    def run() -> None:
        while not ending.wait(0.05):
            send_tests()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_test_is_sent_signed_and_answered_with_its_attempt(receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/ok"))
    with dispatcher():
        attempt = do(to, "test")
    assert (attempt["status"], attempt["verdict"]) == (200, "delivered")
    [got] = receiver.wait(1)
    assert got.headers["ce-type"] == "redrive.test"
    assert signing.verify_header(
        [SECRET],
        got.headers["webhook-signature"],
        webhook_id=got.headers["webhook-id"],
        timestamp=int(got.headers["webhook-timestamp"]),
        body=got.body,
    )


@pytest.mark.django_db(transaction=True)
def test_a_test_that_could_not_be_sent_says_so_at_once(receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/ok"), timeout=60.0)
    Secret.objects.update(encrypted="unreadable")
    with dispatcher():
        refused = operator().post(f"subscriptions/{to.public_id}/test")
    assert (refused.status, refused.code) == (500, "internal")
    assert refused.json["detail"].startswith("The test could not be sent")


@pytest.mark.django_db(transaction=True)
def test_a_test_that_nobody_takes_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.api.verbs.TEST_GRACE", 0.1)
    to = make.subscription(timeout=0.1)
    refused = operator().post(f"subscriptions/{to.public_id}/test")
    assert (refused.status, refused.code) == (503, "broker_unavailable")
    assert "retry-after" in refused.headers
