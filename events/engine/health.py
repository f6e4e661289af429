"""The health life cycle of a subscription: healthy, failing, and after five days disabled.

An endpoint that was given up, or whose lane is parked with nothing to try it, gets a test a day
(engine/trial.py sends it); one that arrives brings it back.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from events import operate
from events.models import Subscription
from events.models.subscription import REDRIVE
from events.probe import send_test

FAILING_FOR = timedelta(days=5)
"""How long an endpoint may fail without one success before we stop trying it."""

GIVEN_UP = f"no delivery has arrived for {FAILING_FOR.days} days, and the last try failed too"


def disable_failing() -> int:
    """Disables those whose endpoint has failed for FAILING_FOR; gives how many."""
    failing, disabled = Subscription.objects.failing(for_time=FAILING_FOR), 0
    for subscription in list(failing.values_list("id", flat=True)):
        with suppress(Subscription.DoesNotExist):
            operate.disable(
                actor=REDRIVE, subscription=subscription, reason=GIVEN_UP, among=failing
            )
            disabled += 1
    return disabled


def resume_what_is_due() -> int:
    """Resumes the subscriptions whose pause has run out; gives how many."""
    due, resumed = Subscription.objects.due_to_resume(), 0
    for subscription in list(due.values_list("id", flat=True)):
        with suppress(Subscription.DoesNotExist):
            operate.resume(actor=REDRIVE, subscription=subscription, among=due)
            resumed += 1
    return resumed


def probe_what_rests() -> int:
    """Owes those that were given up, or are parked and idle, a test a day; gives how many."""
    due, probed = Subscription.objects.due_to_probe(), 0
    for subscription in list(due.values_list("id", flat=True)):
        with transaction.atomic():
            if due.filter(id=subscription).update(probed_at=Now()):
                send_test(subscription, actor=REDRIVE)
                probed += 1
    return probed


def bring_back(subscription: UUID) -> None:
    """After a test that arrived: enables what we gave up, closes a breaker whose time is over.

    What a person disabled, paused or holds open stays as it is.
    """
    with suppress(Subscription.DoesNotExist):
        given_up = Subscription.objects.given_up()
        operate.enable(actor=REDRIVE, subscription=subscription, among=given_up)
    with suppress(Subscription.DoesNotExist):
        untried = Subscription.objects.untried()
        operate.close_breaker(actor=REDRIVE, subscription=subscription, among=untried)
