"""Repairs of what must not be: each finds a little, mends it if that is safe, and says what it did.

The reconciler (monitoring/reconcile.py) calls them; docs/runbook.md says what each finding means.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from events import statements
from events.finish import finish
from events.hooks import Death
from events.models import FinishedDelivery, Lane, OwedDelivery, Subscription
from events.probe import TEST_TYPE
from events.rules.states import DeliveryState

AT_ONCE = 500

TEST_LIVES = timedelta(minutes=5)
"""After which a test that was never sent is cancelled."""

# In flight without a lease is ruled out by a constraint; an expired lease that rescue left for so
# long is not ruled out by anything.
STUCK = """
UPDATE events_owed SET state = 'pending', lease = NULL, lease_until = NULL, worker = ''
WHERE id IN (
    SELECT id FROM events_owed
    WHERE state = 'in_flight' AND lease_until < now() - interval '30 seconds'
    LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING id
"""

# Counts, for a slice of the event log, the deliveries that each publish promised.
PROMISED = """
SELECT e.id, e.matched, coalesce(made.n, 0) AS made,
    coalesce(cardinality(f.remaining), 0) AS remaining
FROM (SELECT id, matched FROM events_event
      WHERE id > %(after)s AND received_at < now() - interval '10 seconds'
      ORDER BY id LIMIT %(most)s) AS e
LEFT JOIN events_fanout AS f ON f.event_id = e.id
CROSS JOIN LATERAL (
    SELECT (SELECT count(*) FROM events_owed AS o
            WHERE o.event_id = e.id AND o.replay_id IS NULL)
         + (SELECT count(*) FROM events_finished AS d
            WHERE d.event_id = e.id AND d.id >= e.id AND d.replay_id IS NULL) AS n) AS made
ORDER BY e.id
"""


def free_stuck() -> list[UUID]:
    """Makes deliveries due whose lease ran out long ago."""
    with transaction.atomic():
        return [row.id for row in statements.rows(STUCK)]


def cancel_orphans() -> list[UUID]:
    """Cancels what is owed to subscriptions that were deleted while it was being published."""
    gone = Subscription.objects.filter(id=OuterRef("subscription"), deleted_at__isnull=False)
    owed = OwedDelivery.objects.filter(Exists(gone)).values_list("id", flat=True)[:AT_ONCE]
    return finish(list(owed), DeliveryState.CANCELLED, reason="the subscription was deleted")


def cancel_old_tests() -> list[UUID]:
    """Cancels tests that nothing sent in time."""
    old = OwedDelivery.objects.filter(event_type=TEST_TYPE, created_at__lt=Now() - TEST_LIVES)
    ids = list(old.values_list("id", flat=True)[:AT_ONCE])
    return finish(ids, DeliveryState.CANCELLED, reason="the test was not sent in time")


def make_lanes() -> list[UUID]:
    """Gives a lane to subscriptions that lost theirs: without one nothing is ever claimed."""
    lost = list(
        Subscription.objects.existing().filter(lane=None).values_list("id", flat=True)[:AT_ONCE]
    )
    Lane.objects.bulk_create([Lane(pk=one) for one in lost], ignore_conflicts=True)
    return lost


def broken_promises(after: UUID) -> tuple[list[UUID], UUID | None]:
    """Events of a slice that have not exactly the deliveries that were promised, and its end.

    Not repaired: which subscription was meant is not known any more.
    """
    rows = statements.rows(PROMISED, {"after": after, "most": AT_ONCE})
    broken = [row.id for row in rows if row.matched != row.made + row.remaining]
    return broken, rows[-1].id if rows else None


def deaths_after(after: UUID) -> Sequence[Death]:
    """A slice of the deliveries that ended dead, as the hook that buries them is told of them."""
    dead = FinishedDelivery.objects.filter(state=DeliveryState.DEAD, id__gt=after).order_by("id")
    return [
        Death(
            delivery=row.id,
            event=row.event,
            subscription=row.subscription,
            tenant=row.tenant,
            owner=row.owner,
            event_type=row.event_type,
            attempts=row.attempts,
            outcome="unknown",
            status=row.last_status,
            error=row.last_error,
            reason="found by the reconciler without a dead letter",
            body=b"",
            died_at=row.finished_at,
        )
        for row in dead[:AT_ONCE]
    ]
