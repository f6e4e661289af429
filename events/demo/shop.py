"""A shop's events: orders that are paid, shipped and delivered, and some that are not."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

SOURCE = "demo-shop"
OPEN_ORDERS = 12
ITEMS = {
    "espresso beans 1 kg": 1890,
    "filter papers": 420,
    "hand grinder": 8900,
    "kettle": 6450,
    "mug": 1200,
}
CARRIERS = ("DHL", "UPS", "PostNL")
REFUSED = 0.12
CANCELLED = 0.15

Event = dict[str, Any]


def events(dice: Random) -> Iterator[Event]:
    """Events without end, of a dozen orders at a time; prices in cents."""
    orders = [order(dice) for _ in range(OPEN_ORDERS)]
    while True:
        place = dice.randrange(OPEN_ORDERS)
        event = next(orders[place], None)
        if event is None:
            orders[place] = order(dice)
        else:
            yield event


def order(dice: Random) -> Iterator[Event]:
    """The life of one order."""
    number = f"ord_{dice.randrange(10**8):08d}"
    basket = {name: dice.randint(1, 3) for name in dice.sample(sorted(ITEMS), dice.randint(1, 3))}
    items = [{"name": name, "quantity": n, "price": ITEMS[name]} for name, n in basket.items()]
    total = sum(n * ITEMS[name] for name, n in basket.items())
    yield _event("order.created", number, customer=dice.randrange(9_000), items=items, total=total)
    if dice.random() < REFUSED:
        yield _event("payment.refused", number, amount=total, reason="card_declined")
        yield _event("order.cancelled", number, reason="not paid")
        return
    yield _event("payment.captured", number, amount=total, currency="EUR")
    if dice.random() < CANCELLED:
        yield _event("order.cancelled", number, reason="changed their mind")
        yield _event("payment.refunded", number, amount=total, currency="EUR")
        return
    parcel = {"carrier": dice.choice(CARRIERS), "tracking": f"{dice.randrange(10**12):012d}"}
    yield _event("shipment.created", number, **parcel)
    yield _event("shipment.delivered", number, **parcel)
    yield _event("order.completed", number, total=total)


def _event(kind: str, subject: str, **data: Any) -> Event:
    body = {"order": subject, **data}
    return {"type": kind, "source": SOURCE, "subject": subject, "data": body}
