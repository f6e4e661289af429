"""Sending the tests that somebody asked for; see events/probe.py."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from events import operate
from events.engine.claim import Claim, claim_one
from events.engine.destinations import Destinations
from events.engine.envelope import shown, wrap
from events.engine.record import Result, record
from events.engine.transport import Sent, Transport
from events.models import OwedDelivery, Subscription
from events.probe import TEST_TYPE, send_test
from events.rules.outcome import error_of
from events.rules.states import DeliveryState, SubscriptionState
from events.rules.verdict import Decision, Delivered, Dropped, Verdict, judge
from events.uuids import new_uuid

WORKER = "test"
AT_ONCE = 50


def send_tests() -> int:
    """Sends the tests that wait, side by side; gives how many."""
    waiting = OwedDelivery.objects.filter(event_type=TEST_TYPE, state=DeliveryState.PENDING)
    ids = list(waiting.order_by("id").values_list("id", flat=True)[:AT_ONCE])
    claims = [c for one in ids if (c := claim_one(one, worker=WORKER, lease=new_uuid()))]
    if claims:
        known = Destinations()
        known.learn({(c.subscription, c.version) for c in claims})
        results = asyncio.run(_send_all(claims, known))
        record(results, worker=WORKER)
        for result in results:
            if isinstance(result.verdict, Delivered):
                _enable(result.claim.subscription)
    return len(claims)


async def _send_all(claims: list[Claim], known: Destinations) -> list[Result]:
    transport = Transport(
        allowed=settings.REDRIVE_ALLOW_ADDRESSES, user_agent=settings.REDRIVE_USER_AGENT
    )
    return await asyncio.gather(*(_send(claim, known, transport) for claim in claims))


async def _send(claim: Claim, known: Destinations, transport: Transport) -> Result:
    to = known.get(claim.subscription, claim.version)
    if to is None or claim.event is None:
        raise LookupError("a subscription or event vanished while its test was sent")
    attempt = new_uuid()
    request = wrap(claim, claim.event, to, attempt=attempt, timestamp=int(time.time()))
    sent = await transport.send(request)
    sent.request_headers = shown(request, to)
    now = timezone.now()
    verdict = judge(sent.outcome, to.policy, attempts=1, now=now, jitter=0.0)
    return Result(attempt, claim, sent, _final(verdict, sent), now)


def _final(verdict: Verdict, sent: Sent) -> Decision:
    return verdict if isinstance(verdict, Delivered) else Dropped(error_of(sent.outcome))


def _enable(subscription: UUID) -> None:
    """A test that arrives shows that a disabled endpoint is back."""
    disabled = Subscription.objects.existing().filter(state=SubscriptionState.DISABLED)
    if disabled.filter(id=subscription).exists():
        operate.enable(actor="redrive", subscription=subscription)


def probe_disabled() -> int:
    """Owes each disabled subscription a test, once a day; gives how many."""
    due = list(Subscription.objects.due_to_probe().values_list("id", flat=True))
    for subscription in due:
        with transaction.atomic():
            Subscription.objects.filter(id=subscription).update(probed_at=Now())
            send_test(subscription, actor="redrive")
    return len(due)
