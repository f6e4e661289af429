"""Plain builders: each makes one thing, with values that are good unless the test says otherwise.

What a test does not name is not what it is about. Things are made by the product's own verbs, so a
test starts from a state that the product can reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone

from events import operate
from events.engine.claim import Claim, claim
from events.engine.record import Result, record
from events.engine.transport import Sent
from events.keys import create_key, new_key
from events.lanes import FIRST
from events.models import ApiKey, Delivery, OwedDelivery, Subscription
from events.publish import Accepted, NewEvent, publish
from events.rules.outcome import Outcome, Responded
from events.rules.verdict import Policy, Verdict, judge
from events.uuids import new_uuid

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ACTOR = "user:test"
NOWHERE = "http://127.0.0.1:9/"
"""A URL for subscriptions whose deliveries are never sent."""


def event(**fields: Any) -> NewEvent:
    """A new event of type `order.paid`; not published."""
    values = {"id": new_uuid(), "type": "order.paid", "source": "/shop", "data": b'{"n":1}'}
    return NewEvent(**(values | fields))


def published(*events: NewEvent) -> list[UUID]:
    """Publishes them in one transaction; gives their ids."""
    receipts = publish(events, identity_ttl=3600.0)
    return [receipt.id for receipt in receipts if isinstance(receipt, Accepted)]


def subscription(url: str = NOWHERE, *, secret: str = SECRET, **fields: Any) -> Subscription:
    """A subscription to everything that retries once after a minute, with its secret and lane."""
    values = {"url": url, "types": ["**"], "schedule": [60.0], "timeout": 5.0}
    return operate.create_subscription(actor=ACTOR, fields=values | fields, secret=secret)


def api_key(
    *, scopes: Sequence[str] = ("publish", "read", "manage"), tenant: str | None = None
) -> str:
    """The text of a key that exists."""
    text = new_key()
    create_key(text=text, name="shop", scopes=list(scopes), tenant=tenant)
    return text


def api_key_row(text: str) -> ApiKey:
    return ApiKey.objects.get(lookup=text.split("_")[1])


def owed(to: Subscription, **fields: Any) -> UUID:
    """A delivery owed to one subscription, by publishing an event that nobody else gets."""
    [event_id] = published(event(**fields))
    return OwedDelivery.objects.get(event=event_id, subscription=to.id).id


def backlog(to: Subscription, many: int, **fields: Any) -> list[UUID]:
    """Many deliveries owed to one subscription, oldest first, published together."""
    made = published(*(event(**fields) for _ in range(many)))
    owed_now = OwedDelivery.objects.filter(event__in=made, subscription=to.id)
    return list(owed_now.order_by("event").values_list("id", flat=True))


def claims(*, want: int = 10_000, worker: str = "one") -> list[Claim]:
    """Everything that can be claimed now, lane-fair from the first lane."""
    found: list[Claim] = []
    cursor = FIRST
    while True:
        taken = claim(want=want, cursor=cursor, worker=worker, lease=new_uuid())
        found += taken.claims
        if (cursor := taken.cursor) == FIRST:
            return found


def result(
    claimed: Claim,
    outcome: Outcome | None = None,
    *,
    verdict: Verdict | None = None,
    schedule: Sequence[float] = (),
    body: bytes = b"",
) -> Result:
    """What a worker would have seen and decided; a 200 unless said otherwise."""
    now, outcome = timezone.now(), outcome or Responded(200)
    sent = Sent(now, [("webhook-id", "x")], outcome=outcome, response_body=body, total_ms=1.0)
    policy, number = Policy(tuple(schedule)), claimed.attempts + 1
    decided = verdict or judge(outcome, policy, attempts=number, now=now, jitter=0.5)
    return Result(new_uuid(), claimed, sent, decided, now)


def recorded(
    outcome: Outcome, *, schedule: Sequence[float] = (), body: bytes = b"", want: int = 1_000
) -> list[UUID]:
    """Claims what is due and records the same outcome for all of it; gives the deliveries."""
    taken = claims(want=want)
    record([result(c, outcome, schedule=schedule, body=body) for c in taken], worker="one")
    return [c.delivery for c in taken]


def dead(to: Subscription, many: int = 1, *, status: int = 500, body: bytes = b"") -> list[UUID]:
    """Deliveries to one subscription that died of their only attempt, oldest first."""
    made = backlog(to, many)
    assert set(made) <= set(recorded(Responded(status), body=body)), "its lane is too narrow"
    return made


def due_now() -> None:
    """Makes every pending delivery due, as time would."""
    OwedDelivery.objects.filter(state="pending").update(due_at=Now())


def delivery(delivery_id: UUID) -> Delivery:
    """A delivery as readers see it, owed or finished."""
    return Delivery.objects.get(id=delivery_id)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
