"""News for the apps above: they add themselves here when they are ready, events imports none.

`on_dead` runs in the transaction in which deliveries died, so that what it writes is as true as
the deaths. `on_change` runs after a commit, may be lost, and must not raise. `still_needed` is
asked before old days are dropped: whether something above is still reading them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction


@dataclass(frozen=True, slots=True)
class Death:
    """A delivery that ended in `dead`. `error` and `body` are of its last attempt."""

    delivery: UUID
    event: UUID
    subscription: UUID
    tenant: str | None
    owner: str | None
    event_type: str
    attempts: int
    outcome: str
    status: int | None
    error: str
    reason: str
    body: bytes
    died_at: datetime


on_dead: list[Callable[[Sequence[Death]], None]] = []
on_change: list[Callable[[Iterable[str]], None]] = []
still_needed: list[Callable[[], bool]] = []


def dead(deaths: Sequence[Death]) -> None:
    """Tells of deaths, inside the transaction."""
    for hear in on_dead if deaths else ():
        hear(deaths)


def needed() -> bool:
    """Whether an app above still reads events of any age."""
    return any(ask() for ask in still_needed)


def changed(public_ids: Iterable[str]) -> None:
    """Tells which things changed, after the commit."""
    for hear in on_change:
        hear(public_ids)


def changed_on_commit(*public_ids: str) -> None:
    """Tells which things changed once the transaction around is committed; at once without one."""
    transaction.on_commit(partial(changed, public_ids))
