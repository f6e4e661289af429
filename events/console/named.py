"""Rows that name a subscription by its id, each with the subscription."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from events.models import Subscription


class Owed(Protocol):
    @property
    def subscription(self) -> UUID: ...


Row = TypeVar("Row", bound=Owed)


@dataclass(frozen=True, slots=True)
class Named(Generic[Row]):
    """A row and where it goes; `to` is None where the subscription's row is gone."""

    row: Row
    to: Subscription | None


def subscriptions_of(wanted: Iterable[UUID]) -> dict[UUID, Subscription]:
    """The subscriptions by id with their lanes, deleted ones too: history names them."""
    return Subscription.objects.select_related("lane").in_bulk(set(wanted))


def named(rows: Sequence[Row]) -> list[Named[Row]]:
    """One query, however many rows."""
    known = subscriptions_of(row.subscription for row in rows)
    return [Named(row, known.get(row.subscription)) for row in rows]
