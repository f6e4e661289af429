"""What is done to a subscription over REST: its state, its secret, its breaker, a test."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.db import close_old_connections
from django.utils import timezone
from ninja import Router
from pydantic import Field

from events import operate, probe
from events.api.attempts import WholeAttempt
from events.api.callers import MANAGE, Request
from events.api.inputs import Body, Moment, SubscriptionId, Text
from events.api.refusals import Refused
from events.api.subscription_shown import SubscriptionMade, SubscriptionShown
from events.api.subscriptions import secret_of, shown_to
from events.models import Attempt, FinishedDelivery, Subscription
from events.problems import Code, Problem

router = Router(tags=["subscriptions"])

TEST_GRACE = 5.0
"""Seconds beside the subscription's timeout that a test may take to be picked up and recorded."""

TEST_POLL = 0.05


class Pause(Body):
    reason: Text = ""
    until: Moment | None = Field(default=None, description="When it resumes by itself.")


class Rotation(Body):
    signing: Literal["hmac", "ed25519"] = "hmac"
    secret: str | None = Field(
        default=None, description="A secret of your own, `whsec_…` or `whsk_…`."
    )
    overlap: float = Field(
        default=operate.ROTATION.total_seconds(),
        ge=0,
        le=30 * 86_400,
        description="Seconds that the old secrets go on signing beside the new one.",
    )


class Opening(Body):
    seconds: float = Field(default=300.0, gt=0, le=86_400, description="How long it stays open.")


@router.post("/subscriptions/{subscription_id}/pause", auth=MANAGE, response=SubscriptionShown)
def pause_subscription(
    request: Request, subscription_id: SubscriptionId, body: Pause | None = None
) -> SubscriptionShown:
    """Holds its deliveries back: none is lost, and no attempt is spent."""
    body = body or Pause()
    _require_future(body.until)
    row = _seen(request, subscription_id)
    operate.pause(
        actor=request.auth.actor, subscription=row.id, reason=body.reason, until=body.until
    )
    return shown_to(request.auth, row.id)


@router.post("/subscriptions/{subscription_id}/resume", auth=MANAGE, response=SubscriptionShown)
def resume_subscription(request: Request, subscription_id: SubscriptionId) -> SubscriptionShown:
    """Ends a pause; what waited is due as it was."""
    row = _seen(request, subscription_id)
    operate.resume(actor=request.auth.actor, subscription=row.id)
    return shown_to(request.auth, row.id)


@router.post("/subscriptions/{subscription_id}/enable", auth=MANAGE, response=SubscriptionShown)
def enable_subscription(request: Request, subscription_id: SubscriptionId) -> SubscriptionShown:
    """Makes it active again, also after it was disabled, with a breaker that ramps up."""
    row = _seen(request, subscription_id)
    operate.enable(actor=request.auth.actor, subscription=row.id)
    return shown_to(request.auth, row.id)


@router.post(
    "/subscriptions/{subscription_id}/rotate-secret", auth=MANAGE, response=SubscriptionMade
)
def rotate_secret(
    request: Request, subscription_id: SubscriptionId, body: Rotation | None = None
) -> SubscriptionMade:
    """Adds a signing secret, shown this once; the ones before it sign beside it for a while."""
    body = body or Rotation()
    row = _seen(request, subscription_id)
    secret = secret_of(body.signing, body.secret)
    overlap = timedelta(seconds=body.overlap)
    operate.rotate_secret(
        actor=request.auth.actor, subscription=row.id, secret=secret, overlap=overlap
    )
    shown = shown_to(request.auth, row.id)
    return SubscriptionMade(**dict(shown), secret=secret)


@router.post(
    "/subscriptions/{subscription_id}/breaker/open", auth=MANAGE, response=SubscriptionShown
)
def open_breaker(
    request: Request, subscription_id: SubscriptionId, body: Opening | None = None
) -> SubscriptionShown:
    """Parks its deliveries for a while; then one of them is tried."""
    row = _seen(request, subscription_id)
    seconds = (body or Opening()).seconds
    operate.open_breaker(actor=request.auth.actor, subscription=row.id, seconds=seconds)
    return shown_to(request.auth, row.id)


@router.post(
    "/subscriptions/{subscription_id}/breaker/close", auth=MANAGE, response=SubscriptionShown
)
def close_breaker(request: Request, subscription_id: SubscriptionId) -> SubscriptionShown:
    """Closes it now; what was parked ramps up."""
    row = _seen(request, subscription_id)
    operate.close_breaker(actor=request.auth.actor, subscription=row.id)
    return shown_to(request.auth, row.id)


@router.post(
    "/subscriptions/{subscription_id}/breaker/reset", auth=MANAGE, response=SubscriptionShown
)
def reset_breaker(request: Request, subscription_id: SubscriptionId) -> SubscriptionShown:
    """Forgets all that was counted: closed, and at full width at once."""
    row = _seen(request, subscription_id)
    operate.reset_breaker(actor=request.auth.actor, subscription=row.id)
    return shown_to(request.auth, row.id)


@router.post("/subscriptions/{subscription_id}/test", auth=MANAGE, response=WholeAttempt)
def test_subscription(request: Request, subscription_id: SubscriptionId) -> WholeAttempt:
    """Sends a signed event of type `redrive.test` and answers with the attempt.

    It goes whatever the state of the subscription. 503 if no worker took it in time, 500 if it
    could not be sent for a reason of our own.
    """
    row = _seen(request, subscription_id)
    delivery = probe.send_test(row.id, actor=request.auth.actor)
    attempt = _attempt_of(delivery, seconds=row.timeout + TEST_GRACE)
    if attempt is None:
        detail = "The test is stored and will be sent once a dispatcher runs."
        raise Refused(Problem(Code.BROKER_UNAVAILABLE, detail, retry_after=5))
    return WholeAttempt.of(attempt)


def _attempt_of(delivery: UUID, *, seconds: float) -> Attempt | None:
    ends, attempts = time.monotonic() + seconds, Attempt.objects.of_delivery(delivery)
    while time.monotonic() < ends:
        # In this order: an attempt is there before, or as soon as, its delivery has ended.
        ended = FinishedDelivery.objects.filter(id=delivery).first()
        if (attempt := attempts.first()) is not None:
            return attempt
        if ended is not None:
            raise Refused(Problem(Code.INTERNAL, f"{ended.last_error}.".capitalize()))
        # The wait may be long: the connection goes back to the pool meanwhile.
        close_old_connections()
        time.sleep(TEST_POLL)
    return None


def _seen(request: Request, subscription: UUID) -> Subscription:
    """Raises Subscription.DoesNotExist for what the caller may not see."""
    return Subscription.objects.seen_by(request.auth.tenant).get(id=subscription)


def _require_future(until: datetime | None) -> None:
    if until is not None and until <= timezone.now():
        detail = "It has passed: write a moment in the future, or leave it out."
        raise Refused(Problem(Code.INVALID_FIELD, detail, pointer="/until"))
