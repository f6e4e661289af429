"""Ending deliveries without an attempt: cancelled by a person, or dead without a send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from django.db import transaction

from events import hooks, statements
from events.hooks import Death
from events.models import OwedDelivery
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.states import DeliveryState

CANCEL_AT_ONCE = 1_000

# The ORM cannot move rows between tables; one statement cannot leave a row in both or neither.
# It gives no due_at: a test is due at infinity, which Python has no word for.
FINISH = """
WITH ended AS (
    DELETE FROM events_owed WHERE id = ANY(%(ids)s) RETURNING *
), finished AS (
    INSERT INTO events_finished (
        id, event_id, subscription_id, tenant, owner, event_type, state, priority, attempts,
        ordering_key, webhook_id, replay_id, replay_source, last_status, last_error, created_at,
        finished_at)
    SELECT id, event_id, subscription_id, tenant, owner, event_type, %(state)s::text, priority,
        attempts, ordering_key, webhook_id, replay_id, replay_source, last_status, %(reason)s::text,
        created_at, now()
    FROM ended
), counted AS (
    INSERT INTO events_ledgerentry
        (subscription_id, tenant, created, delivered, dead, cancelled, rolled)
    SELECT subscription_id, owner, 0, 0, CASE %(state)s::text WHEN 'dead' THEN count(*) ELSE 0 END,
        CASE %(state)s::text WHEN 'cancelled' THEN count(*) ELSE 0 END, false
    FROM ended GROUP BY 1, 2
)
SELECT id, event_id, subscription_id, tenant, owner, event_type, attempts, last_status, last_error,
    now() AS at
FROM ended
"""


@transaction.atomic
def finish(
    deliveries: Sequence[UUID],
    state: Literal[DeliveryState.CANCELLED, DeliveryState.DEAD],
    *,
    reason: str,
) -> list[UUID]:
    """Ends those of the deliveries that are still owed, in flight or not; gives which.

    A send under way is not stopped: its attempt is kept as late, its verdict is not.
    """
    ended = statements.rows(
        FINISH, {"ids": list(deliveries), "state": str(state), "reason": reason}
    )
    hooks.changed_on_commit(*_names(ended))
    if state == DeliveryState.DEAD:
        hooks.dead([_death(row, reason) for row in ended])
    return [row.id for row in ended]


def cancel_all(subscription: UUID, *, reason: str) -> int:
    """Cancels everything owed to a subscription, a thousand in a transaction.

    What a worker is just recording is taken one by one: who holds many rows must wait for none.
    """
    total, owed = 0, OwedDelivery.objects.filter(subscription=subscription)
    while True:
        with transaction.atomic():
            free = owed.select_for_update(skip_locked=True).values_list("id", flat=True)
            ended = finish(list(free[:CANCEL_AT_ONCE]), DeliveryState.CANCELLED, reason=reason)
        total += len(ended)
        if not ended:
            break
    for held in owed.values_list("id", flat=True):
        total += len(finish([held], DeliveryState.CANCELLED, reason=reason))
    return total


def _names(ended: Sequence[Any]) -> set[str]:
    """What a page may show of these: the deliveries, their events and their subscriptions."""
    kinds = {
        "id": Prefix.DELIVERY,
        "event_id": Prefix.EVENT,
        "subscription_id": Prefix.SUBSCRIPTION,
    }
    return {
        ids.encode(prefix, getattr(row, name)) for row in ended for name, prefix in kinds.items()
    }


def _death(row: Any, reason: str) -> Death:
    return Death(
        delivery=row.id,
        event=row.event_id,
        subscription=row.subscription_id,
        tenant=row.tenant,
        owner=row.owner,
        event_type=row.event_type,
        attempts=row.attempts,
        outcome="internal",
        status=row.last_status,
        error=row.last_error or reason,
        reason=reason,
        body=b"",
        died_at=row.at,
    )
