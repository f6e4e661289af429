"""The states of a delivery, a subscription and a breaker, and where a delivery may go next.

A delivery starts `pending`. A worker's claim makes it `in_flight`; the verdict brings it back to
`pending` (a retry; so do a claim given back and a rescue) or finishes it. A finished delivery never
moves again: a replay makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class DeliveryState(StrEnum):
    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


class SubscriptionState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Owing(StrEnum):
    """What is owed, as the ledger adds it up: in flight, and of what is pending one of three.

    `parked` is due in a lane that does not flow, because its breaker is not closed or its
    subscription not active; `due` is due in one that does. `owed` is all of it.
    """

    OWED = "owed"
    DUE = "due"
    LATER = "later"
    PARKED = "parked"


FINISHED: frozenset[DeliveryState] = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.CANCELLED}
)

TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = MappingProxyType(
    {
        # Dead without a claim: the endpoint is gone, or three internal failures made it poison.
        DeliveryState.PENDING: frozenset(
            {DeliveryState.IN_FLIGHT, DeliveryState.CANCELLED, DeliveryState.DEAD}
        ),
        # Cancelling need not wait for the send: it takes the lease away, so the late attempt is
        # kept and its verdict is not.
        DeliveryState.IN_FLIGHT: frozenset(
            {
                DeliveryState.PENDING,
                DeliveryState.DELIVERED,
                DeliveryState.DEAD,
                DeliveryState.CANCELLED,
            }
        ),
        DeliveryState.DELIVERED: frozenset(),
        DeliveryState.DEAD: frozenset(),
        DeliveryState.CANCELLED: frozenset(),
    }
)
