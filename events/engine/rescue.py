"""Leases that ended without a verdict: given back, run out, or struck by a fault of our own."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from events import statements
from events.engine.claim import Claim
from events.finish import finish
from events.models import Heartbeat, OwedDelivery
from events.rules.states import DeliveryState

STRIKE_REST = timedelta(seconds=1)
STRIKES = 3
"""Failures of our own code at one delivery that make it poison."""

# The ORM cannot limit an update, and one that skips locked rows never waits for a worker that is
# just recording. Walks owed_in_flight.
RESCUE = """
UPDATE events_owed SET state = 'pending', lease = NULL, lease_until = NULL, worker = ''
WHERE id IN (
    SELECT id FROM events_owed
    WHERE state = 'in_flight' AND (lease_until < now() OR worker = ANY(%(gone)s))
    LIMIT 1000 FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def rescue(gone: list[str]) -> int:
    """Makes deliveries due again whose lease ran out, or whose worker is among the `gone`.

    No attempt is counted: whether one was made is not known. Gives how many.
    """
    with transaction.atomic():
        return len(statements.rows(RESCUE, {"gone": gone}))


def rescue_all() -> int:
    """Rescues until nothing is left: leases that ran out, and those of processes that are gone."""
    gone = list(Heartbeat.objects.gone().values_list("name", flat=True))
    total = 0
    while (count := rescue(gone)) > 0:
        total += count
    return total


def give_back(claim: Claim) -> None:
    """Returns a claim that was not sent: no attempt is counted, it is due as it was."""
    _held(claim.delivery, claim.lease).update(
        state=DeliveryState.PENDING, lease=None, lease_until=None, worker=""
    )


@transaction.atomic
def strike(claim: Claim, *, words: str) -> None:
    """Counts a failure of our own at this delivery; the third makes it `dead`, as poison."""
    row = _held(claim.delivery, claim.lease).select_for_update().first()
    if row is None:
        return
    if row.strikes + 1 >= STRIKES:
        finish([row.id], DeliveryState.DEAD, reason=f"poison: {words}")
        return
    _held(claim.delivery, claim.lease).update(
        state=DeliveryState.PENDING,
        lease=None,
        lease_until=None,
        worker="",
        due_at=Now() + STRIKE_REST,
        strikes=row.strikes + 1,
        last_error=words,
    )


def _held(delivery: UUID, lease: UUID) -> QuerySet[OwedDelivery]:
    return OwedDelivery.objects.filter(id=delivery, lease=lease)
