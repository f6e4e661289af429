"""The health life cycle of a subscription: healthy, failing, and after five days disabled."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from events import operate
from events.models import Subscription
from events.rules.states import SubscriptionState

FAILING_FOR = timedelta(days=5)
"""How long an endpoint may fail without one success before we stop trying it."""


def disable_failing() -> int:
    """Disables the active subscriptions whose breaker has not closed for FAILING_FOR."""
    failing = Subscription.objects.existing().filter(
        state=SubscriptionState.ACTIVE, lane__opened_at__lt=Now() - FAILING_FOR
    )
    ids = list(failing.values_list("id", flat=True))
    for subscription in ids:
        reason = f"every delivery has failed for {FAILING_FOR.days} days"
        operate.disable(actor="redrive", subscription=subscription, reason=reason)
    return len(ids)
