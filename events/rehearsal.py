"""Rehearsals: built-in endpoints that behave as chosen, to see breakers and dead letters at work.

A behaviour has one subscription, of a tenant and an event type of its own, so that a rehearsal
meets nobody else's events. Its secret is derived from the installation's: the receiver checks
signatures like any other, and keeps nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from events import operate
from events.audit import note
from events.models import Subscription
from events.problems import Problem
from events.publish import NewEvent, publish
from events.rules import signing
from events.subscribing import check
from events.uuids import new_uuid

TENANT = "redrive-rehearsal"

MOST = 50
"""Events of one go."""

SCHEDULE = [1.0, 2.0, 4.0]
TIMEOUT = 5.0
SLOW = 3.0
FLAKY = 0.5


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What an endpoint does, and what to look for."""

    name: str
    does: str
    shows: str

    @property
    def type(self) -> str:
        return f"redrive.rehearsal.{self.name}"

    @property
    def path(self) -> str:
        return f"/rehearsal/endpoint/{self.name}/"

    @property
    def secret(self) -> str:
        key = salted_hmac("redrive.rehearsal", self.name, algorithm="sha256").digest()
        return signing.new_secret(key)


BEHAVIOURS = {
    one.name: one
    for one in (
        Behaviour("good", "answers 200", "Each event is delivered at its first attempt."),
        Behaviour(
            "slow",
            f"answers 200 after {SLOW:g} s",
            "Only as many are under way as its cap allows; nobody else waits.",
        ),
        Behaviour(
            "flaky", "refuses every second request with 503", "Retries, until each is delivered."
        ),
        Behaviour(
            "failing",
            "answers 500",
            "After five failures its breaker opens and parks the rest; attempts that are spent "
            "end as dead letters.",
        ),
        Behaviour("gone", "answers 410", "It is disabled at once, and what it is owed is kept."),
    )
}


def begin(behaviour: Behaviour, *, many: int, base: str, actor: str) -> Subscription | Problem:
    """Publishes some events for an endpoint, whose subscription is made if there is none.

    `base` is the address of the web process as its workers reach it. What is wrong with it, such as
    an address that nothing may be sent to, is given back.
    """
    row = known().get(behaviour.name)
    fields = check(_wanted(behaviour, base)) if row is None else {}
    if isinstance(fields, Problem):
        return fields
    with transaction.atomic():
        if row is None:
            secret = behaviour.secret
            row = operate.create_subscription(actor=actor, fields=fields, secret=secret)
        note(actor, "rehearse", row.public_id, after={"events": many}, tenant=TENANT)
    publish([_event(behaviour, number) for number in range(many)], identity_ttl=60.0)
    return row


def known() -> dict[str, Subscription]:
    """The subscriptions of rehearsals, by behaviour."""
    names = {one.type: one.name for one in BEHAVIOURS.values()}
    types = [[one] for one in names]
    rows = (
        Subscription.objects.existing()
        .filter(tenant=TENANT, types__in=types)
        .select_related("lane")
    )
    return {names[row.types[0]]: row for row in rows.order_by("-id")}


async def answer(behaviour: Behaviour, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """What the endpoint says to a request: a status, and words."""
    if not _is_signed(behaviour, headers, body):
        return 401, "the signature does not hold"
    match behaviour.name:
        case "slow":
            await asyncio.sleep(SLOW)
        case "flaky" if random.random() < FLAKY:  # noqa: S311 - no secret
            return 503, "not this time"
        case "failing":
            return 500, "this endpoint always fails"
        case "gone":
            return 410, "this endpoint is gone"
        case _:
            pass
    return 200, "received"


def _is_signed(behaviour: Behaviour, headers: Mapping[str, str], body: bytes) -> bool:
    stamp = headers.get("webhook-timestamp", "")
    return stamp.isdecimal() and signing.verify_header(
        [behaviour.secret],
        headers.get("webhook-signature", ""),
        webhook_id=headers.get("webhook-id", ""),
        timestamp=int(stamp),
        body=body,
    )


def _wanted(behaviour: Behaviour, base: str) -> dict[str, Any]:
    return {
        "name": f"Rehearsal: {behaviour.name}",
        "url": base.rstrip("/") + behaviour.path,
        "types": [behaviour.type],
        "tenant": TENANT,
        "schedule": SCHEDULE,
        "timeout": TIMEOUT,
    }


def _event(behaviour: Behaviour, number: int) -> NewEvent:
    data = json.dumps({"message": "This is a rehearsal.", "number": number}).encode()
    return NewEvent(
        id=new_uuid(),
        type=behaviour.type,
        source="/redrive/rehearsal",
        tenant=TENANT,
        data=data,
        datacontenttype="application/json",
    )
