"""The demo's subscriptions: made once, and moved along when the receivers get another port."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.db.models import QuerySet

from events import operate
from events.models import Subscription
from events.rules.retry import DEFAULT_SCHEDULE
from events.rules.signing import new_secret

ACTOR = "demo"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription and the path of its endpoint."""

    name: str
    path: str
    types: list[str]
    schedule: list[float] = field(default_factory=lambda: list(DEFAULT_SCHEDULE))


WANTED = (
    Wanted("Demo: analytics (good)", "/good", ["**"]),
    Wanted("Demo: warehouse (slow)", "/slow", ["order.**"]),
    Wanted("Demo: bookkeeping (flaky)", "/flaky", ["payment.**"]),
    # Short, so that its dead letters are there while somebody is still looking.
    Wanted("Demo: courier (failing)", "/failing", ["shipment.**"], [0.3]),
    Wanted("Demo: closed shop (gone)", "/gone", ["order.cancelled"]),
)


def known_port() -> int:
    """Where the subscriptions of an earlier demo point to; 0 if there was none."""
    url = _existing().values_list("url", flat=True).first()
    return (urlsplit(url).port or 0) if url else 0


def subscribe(port: int) -> None:
    """Makes those that are missing; what somebody changed or paused stays so."""
    known = {row.name: row for row in _existing()}
    for wanted in WANTED:
        url = f"http://127.0.0.1:{port}{wanted.path}"
        row = known.get(wanted.name)
        if row is None:
            fields = {"name": wanted.name, "url": url, "types": wanted.types}
            operate.create_subscription(
                actor=ACTOR,
                fields={**fields, "schedule": wanted.schedule},
                secret=new_secret(secrets.token_bytes(32)),
            )
        elif row.url != url:
            operate.change_subscription(actor=ACTOR, subscription=row.id, fields={"url": url})


def _existing() -> QuerySet[Subscription]:
    return Subscription.objects.existing().filter(name__in=[wanted.name for wanted in WANTED])
