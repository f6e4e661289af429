"""Sending the tests that somebody asked for; see events/probe.py.

Each stands alone: it is recorded when it has finished, one that hangs holds up no other, and one
that our own code fails at is ended by itself.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager

from django.conf import settings
from django.utils import timezone

from events import vitals
from events.engine.claim import Claim, claim_one
from events.engine.destinations import Destinations
from events.engine.envelope import shown, wrap
from events.engine.health import bring_back
from events.engine.record import Result
from events.engine.rescue import give_back
from events.engine.safely import record_safely
from events.engine.stop import stopping
from events.engine.transport import Sent, Transport
from events.finish import finish
from events.models import OwedDelivery
from events.probe import TEST_TYPE
from events.rules.outcome import error_of
from events.rules.states import DeliveryState
from events.rules.verdict import Decision, Delivered, Dropped, Verdict, judge
from events.uuids import new_uuid

log = logging.getLogger(__name__)

WORKER = "test"
AT_ONCE = 50

LOOK = 0.1
"""Seconds between two looks for further tests while some are under way."""


def send_tests() -> int:
    """Sends the tests that wait, side by side, until none is left; gives how many."""
    claims, sent = _take(AT_ONCE), 0
    if not claims:
        return 0
    known, post, under_way = Destinations(), _Post(), dict[Future[Result | None], Claim]()
    with _loop() as loop:
        while claims or under_way:
            known.learn({(c.subscription, c.version) for c in claims})
            for one in claims:
                under_way[asyncio.run_coroutine_threadsafe(post.send(one, known), loop)] = one
            sent += len(claims)
            for future in wait(under_way, timeout=LOOK, return_when=FIRST_COMPLETED).done:
                _settle(future, under_way.pop(future))
            claims = [] if stopping() else _take(AT_ONCE - len(under_way))
    return sent


class _Post:
    """What sends the tests of one run; its transport belongs to one loop."""

    def __init__(self) -> None:
        self._clock_offset = vitals.measure().clock_offset
        self._transport = Transport(
            allowed=settings.REDRIVE_ALLOW_ADDRESSES, user_agent=settings.REDRIVE_USER_AGENT
        )

    async def send(self, claim: Claim, known: Destinations) -> Result | None:
        """None if the subscription moved on since the claim: then it is tried as it is now."""
        to = known.get(claim.subscription, claim.version)
        if to is None:
            return None
        if claim.event is None:
            raise LookupError("its event is gone")
        attempt, timestamp = new_uuid(), int(time.time() + self._clock_offset)
        request = wrap(claim, claim.event, to, attempt=attempt, timestamp=timestamp)
        sent = await self._transport.send(request)
        sent.request_headers = shown(request, to)
        now = timezone.now()
        verdict = judge(sent.outcome, to.policy, attempts=1, now=now, jitter=0.0)
        return Result(attempt, claim, sent, _final(verdict, sent), now)


def _take(most: int) -> Sequence[Claim]:
    waiting = OwedDelivery.objects.filter(event_type=TEST_TYPE, state=DeliveryState.PENDING)
    ids = list(waiting.order_by("id").values_list("id", flat=True)[:most])
    return [c for one in ids if (c := claim_one(one, worker=WORKER, lease=new_uuid()))]


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own: this one has the connection, which no coroutine may use."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tests", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _settle(future: Future[Result | None], claim: Claim) -> None:
    try:
        result = future.result()
    except Exception as error:
        log.exception("a test failed in our own code")
        reason = f"the test could not be sent: {type(error).__name__}"
        finish([claim.delivery], DeliveryState.CANCELLED, reason=reason)
        return
    if result is None:
        give_back(claim)
        return
    record_safely([result], WORKER)
    if isinstance(result.verdict, Delivered):
        bring_back(claim.subscription)


def _final(verdict: Verdict, sent: Sent) -> Decision:
    return verdict if isinstance(verdict, Delivered) else Dropped(error_of(sent.outcome))
