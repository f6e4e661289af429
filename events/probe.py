"""Sending to an endpoint on purpose: a test by a person, or the daily probe of a disabled one.

A real event is stored and a real delivery owed, due at infinity: no claim of its lane meets it, and
the dispatcher's next look (engine/trial.py) sends it, whatever the state of the lane. It is tried
once; a failed test is cancelled, not dead.
"""

from __future__ import annotations

from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from events import statements
from events.audit import note
from events.models import Subscription
from events.rules import ids
from events.rules.ids import Prefix
from events.uuids import new_uuid

TEST_TYPE = "redrive.test"

OWE_TEST = """
WITH event AS (
    INSERT INTO events_event (id, source, type, tenant, priority, datacontenttype, data,
        received_at, matched)
    VALUES (%(event)s, '/redrive', %(type)s, %(tenant)s, 0, 'application/json', %(data)s, now(), 1)
), counted AS (
    INSERT INTO events_ledgerentry
        (subscription_id, tenant, created, delivered, dead, cancelled, rolled)
    VALUES (%(subscription)s, %(tenant)s, 1, 0, 0, 0, false)
)
INSERT INTO events_owed (id, event_id, subscription_id, tenant, owner, event_type, state, priority,
    attempts, webhook_id, last_error, created_at, due_at, worker, strikes)
VALUES (%(delivery)s, %(event)s, %(subscription)s, %(tenant)s, %(tenant)s, %(type)s, 'pending', 0,
    0, %(delivery)s, '', now(), 'infinity', '', 0)
"""


@transaction.atomic
def send_test(subscription: UUID, *, actor: str) -> UUID:
    """Stores a test event owed to one subscription; gives the delivery.

    Its attempt says what came of it, within a second or two and the subscription's timeout.

    Raises Subscription.DoesNotExist.
    """
    row = Subscription.objects.existing().get(id=subscription)
    # In this order: what reads an event's deliveries relies on none being older than the event.
    event, delivery = new_uuid(), new_uuid()
    data = {"message": "This is a test from Redrive.", "at": timezone.now().isoformat()}
    statements.rows(
        OWE_TEST,
        {
            "event": event,
            "delivery": delivery,
            "subscription": row.id,
            "tenant": row.tenant,
            "type": TEST_TYPE,
            "data": msgspec.json.encode(data),
        },
    )
    after = {"delivery": ids.encode(Prefix.DELIVERY, delivery), "url": row.url}
    note(actor, "test", row.public_id, tenant=row.tenant, after=after)
    return delivery
