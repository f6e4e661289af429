"""Repairs of what must not be: each finds a little, mends it if that is safe, and says what it did.

The reconciler (monitoring/reconcile.py) calls them; docs/runbook.md says what each finding means.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from events import lanes, statements
from events.finish import finish
from events.hooks import Death
from events.models import Epoch, FinishedDelivery, Lane, OwedDelivery, Subscription
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

# The lanes that lead nowhere: one index probe a lane, however much waits in it.
GONE = f"""
WITH RECURSIVE {lanes.WALK}
SELECT subscription_id FROM walk
WHERE NOT EXISTS (SELECT FROM events_subscription AS s
                  WHERE s.id = walk.subscription_id AND s.deleted_at IS NULL)
"""

# Counts, for a slice of the event log, the deliveries that each publish promised. A delivery may
# be made in the millisecond of its event, and ids of one millisecond are in no order.
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
            WHERE d.event_id = e.id AND d.replay_id IS NULL
              AND d.id >= (left(e.id::text, 13) || '-0000-0000-000000000000')::uuid) AS n) AS made
ORDER BY e.id
"""

# A number that no process has met, so that no matches made before are taken for current ones.
EPOCH = """
INSERT INTO events_epoch (id, value) VALUES (1, extract(epoch FROM now())::bigint)
ON CONFLICT DO NOTHING RETURNING value
"""


def make_epoch() -> list[str]:
    """Makes the row that says which subscriptions are current: without it nothing is published."""
    if Epoch.objects.exists():
        return []
    return [f"epoch {row.value}" for row in statements.rows(EPOCH)]


def free_stuck() -> list[UUID]:
    """Makes deliveries due whose lease ran out long ago."""
    with transaction.atomic():
        return [row.id for row in statements.rows(STUCK)]


@transaction.atomic
def cancel_orphans() -> list[UUID]:
    """Cancels what is owed to subscriptions that were deleted while it was being published.

    Also to those whose row is gone altogether.
    """
    gone = [row.subscription_id for row in statements.rows(GONE, lanes.ALL)]
    owed = OwedDelivery.objects.filter(subscription__in=gone, state=DeliveryState.PENDING)
    return finish(_free(owed), DeliveryState.CANCELLED, reason="the subscription was deleted")


@transaction.atomic
def cancel_old_tests() -> list[UUID]:
    """Cancels tests that nothing sent in time."""
    old = OwedDelivery.objects.filter(event_type=TEST_TYPE, created_at__lt=Now() - TEST_LIVES)
    return finish(_free(old), DeliveryState.CANCELLED, reason="the test was not sent in time")


def _free(owed: QuerySet[OwedDelivery]) -> list[UUID]:
    """Some of them, held; whoever is just recording one keeps it."""
    held = owed.order_by("id").select_for_update(skip_locked=True)
    return list(held.values_list("id", flat=True)[:AT_ONCE])


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
