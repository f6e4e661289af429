"""Safe drills: small faults against the running system, on a tenant and a receiver of their own.

Every run publishes events of a type that no one else has, to subscriptions that it makes and takes
away again. An operator's tap that takes every type gets these events, too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.db.models.functions import Now

from dlq.select import Criteria
from dlq.settle import discard
from events import operate, subscribing
from events.matching import current_matcher, facts_of
from events.models import Delivery, Heartbeat, Subscription
from events.models.process import Role
from events.problems import Problem
from events.publish import NewEvent, publish
from events.uuids import new_uuid
from monitoring.drill_receiver import HOST, DrillReceiver
from monitoring.models import Drill

log = logging.getLogger(__name__)

TENANT = "redrive-drill"
ACTOR = "redrive-drill"
LOOK = 0.1
LEFT_OVER = timedelta(hours=1)
IDENTITY_TTL = 60.0


class CannotDrill(Exception):
    """This system cannot be drilled as it is; the text says why and what to do."""


class Broken(Exception):
    """Something else than expected was seen: the text says what."""


@dataclass(frozen=True, slots=True)
class SafeDrill:
    """`run` gives what was seen, or raises Broken."""

    name: str
    expected: str
    run: Callable[[Stage], str]


class Stage:
    """What a drill acts on: its receiver, and subscriptions and events of its own type."""

    def __init__(self, receiver: DrillReceiver, secret: str) -> None:
        self.receiver = receiver
        self.type = f"redrive.drill.{new_uuid().hex[-12:]}"
        self._secret = secret

    def subscribe(self, path: str, schedule: Sequence[float]) -> Subscription:
        """To this stage's events, at a path of the receiver."""
        given = {
            "name": f"drill {path}",
            "url": self.receiver.url(path),
            "types": [self.type],
            "tenant": TENANT,
            "schedule": list(schedule),
            "timeout": 5.0,
        }
        fields = subscribing.check(given)
        if isinstance(fields, Problem):
            raise CannotDrill(fields.detail)
        return operate.create_subscription(actor=ACTOR, fields=fields, secret=self._secret)

    def publish(self, many: int) -> list[UUID]:
        """Publishes that many events; gives their ids."""
        events = [_event(self.type) for _ in range(many)]
        publish(events, identity_ttl=IDENTITY_TTL)
        return [event.id for event in events]

    def deliveries(self, to: Subscription) -> list[Delivery]:
        """All that was ever owed to one of our subscriptions."""
        found = Delivery.objects.filter(subscription=to.id, id__gte=to.id)
        return list(found.order_by("id"))

    def until(self, what: str, met: Callable[[], bool], *, within: float = 30.0) -> float:
        """Waits for something; gives the seconds. Raises Broken if it does not come."""
        began = time.monotonic()
        while not met():
            if time.monotonic() - began > within:
                raise Broken(f"not within {within:.0f} s: {what}")
            time.sleep(LOOK)
        return time.monotonic() - began


def prepare() -> list[str]:
    """Sees that a drill can run and clears what a killed one left; gives what to know.

    Raises CannotDrill.
    """
    allowed = settings.REDRIVE_ALLOW_ADDRESSES
    if not any(ip_address(HOST) in network for network in allowed):
        raise CannotDrill(
            f"The drills' receiver is at {HOST}, where deliveries may not go: set "
            "REDRIVE_ALLOW_ADDRESSES=127.0.0.0/8 here and for every worker, or do not drill here."
        )
    if not Heartbeat.objects.alive().filter(Q(role=Role.WORKER) | Q(load__alone=True)).exists():
        raise CannotDrill("Nothing would deliver: no worker is alive. Start one first.")
    _clear()
    event = _event("redrive.drill.any")
    taps = current_matcher().match(TENANT, event.type, partial(facts_of, event)).subscriptions
    return [f"Subscriptions of yours that get these events, too: {len(taps)}."] if taps else []


def drill(one: SafeDrill, *, by: str = ACTOR) -> Drill:
    """Runs a drill and stores what came of it. Raises CannotDrill."""
    began = time.monotonic()
    seen, held = _outcome(one)
    return Drill.objects.create(
        name=one.name,
        expected=one.expected,
        seen=seen,
        held=held,
        seconds=round(time.monotonic() - began, 3),
        by=by,
    )


def _outcome(one: SafeDrill) -> tuple[str, bool]:
    """What was seen, and whether it held: whatever else ends a drill is a failure that it found."""
    try:
        with _stage() as stage:
            return one.run(stage), True
    except Broken as broken:
        return str(broken), False
    except CannotDrill:
        raise
    except Exception as error:
        log.exception("the drill %s ended early", one.name)
        connection.close_if_unusable_or_obsolete()
        return f"ended early: {type(error).__name__}: {error}", False


def drill_all(drills: Sequence[SafeDrill], *, by: str) -> list[Drill]:
    """Runs them one by one. That the system cannot be drilled is stored as a failure of each."""
    try:
        prepare()
        return [drill(one, by=by) for one in drills]
    except (CannotDrill, DatabaseError) as reason:
        rows = [
            Drill(name=d.name, expected=d.expected, seen=str(reason), held=False, seconds=0, by=by)
            for d in drills
        ]
        return Drill.objects.bulk_create(rows)


@contextmanager
def _stage() -> Iterator[Stage]:
    """A stage that leaves nothing behind but its history."""
    secret = subscribing.new_secret("hmac")
    with DrillReceiver(secret) as receiver:
        stage = Stage(receiver, secret)
        try:
            yield stage
        finally:
            for row in Subscription.objects.existing().filter(types=[stage.type]):
                _take_away(row)


def _clear() -> None:
    """Takes away what a drill left that was killed."""
    left = Subscription.objects.existing().filter(tenant=TENANT, types__0__startswith="redrive.")
    for row in left.filter(created_at__lt=Now() - LEFT_OVER):
        _take_away(row)


def _take_away(row: Subscription) -> None:
    operate.delete_subscription(actor=ACTOR, subscription=row.id)
    discard(Criteria(subscription=row.id), actor=ACTOR)


def _event(event_type: str) -> NewEvent:
    source = "/redrive/drill"
    return NewEvent(id=new_uuid(), type=event_type, source=source, tenant=TENANT, data=b"{}")
