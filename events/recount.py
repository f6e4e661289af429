"""Counts made again, a slice at a time: what must not be and what nobody but a person can mend.

Each look takes the id that it goes on after and gives what is wrong in the next slice, and that
slice's last id; the reconciler (monitoring/reconcile.py) calls them. `kept` is the first id of the
oldest day that retention keeps whole: of what is older a part may be gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from events import statements
from events.models import FanOut
from events.rules import ids

AT_ONCE = 500

LANES_AT_ONCE = 20

COUNTED = 20_000
"""Deliveries that are counted of one lane: of what has more, manage.py audit knows."""

STUCK = timedelta(minutes=10)
"""After which a fan-out that is not finished is in trouble, not in work."""


class Wrong(StrEnum):
    """What may be wrong with one delivery."""

    EVENTLESS = "its event is gone"
    ENDED = "it is owed and finished"
    MISCOUNTED = "its attempts are others than it says"


# An attempt is never older than its delivery, so the days before are not looked into. An EXISTS
# would be answered by hashing the whole of the other table.
OWED = """
SELECT o.id,
    (SELECT true FROM events_event AS e WHERE e.id = o.event_id) IS NULL AS eventless,
    (SELECT true FROM events_finished AS f WHERE f.id = o.id) IS NOT NULL AS ended,
    o.attempts <> (
        SELECT count(*) FROM events_attempt AS a WHERE a.delivery_id = o.id AND NOT a.late
        AND a.id >= (left(o.id::text, 13) || '-0000-0000-000000000000')::uuid) AS miscounted
FROM (SELECT id, event_id, attempts FROM events_owed
      WHERE id > %(after)s ORDER BY id LIMIT %(most)s) AS o
ORDER BY o.id
"""

FINISHED = """
SELECT f.id,
    (SELECT true FROM events_event AS e WHERE e.id = f.event_id) IS NULL
        AND f.event_id >= %(kept)s AS eventless,
    false AS ended,
    f.attempts <> (
        SELECT count(*) FROM events_attempt AS a WHERE a.delivery_id = f.id AND NOT a.late
        AND a.id >= (left(f.id::text, 13) || '-0000-0000-000000000000')::uuid) AS miscounted
FROM (SELECT id, event_id, attempts FROM events_finished
      WHERE id > %(after)s AND id >= %(kept)s ORDER BY id LIMIT %(most)s) AS f
ORDER BY f.id
"""

# One snapshot for both sides; of the lanes that retention has taken nothing from.
ENDED = """
SELECT l.id, l.delivered + l.dead + l.cancelled <= %(counted)s
    AND (l.delivered, l.dead, l.cancelled) <> (f.delivered, f.dead, f.cancelled) AS wrong
FROM (SELECT subscription_id AS id, sum(delivered)::bigint AS delivered, sum(dead)::bigint AS dead,
          sum(cancelled)::bigint AS cancelled
      FROM events_ledgerentry WHERE subscription_id > %(after)s AND subscription_id >= %(kept)s
      GROUP BY 1 ORDER BY 1 LIMIT %(lanes)s) AS l
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'delivered') AS delivered,
        count(*) FILTER (WHERE state = 'dead') AS dead,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled
    FROM (SELECT state FROM events_finished WHERE subscription_id = l.id
          ORDER BY id LIMIT %(counted)s + 1) AS found) AS f
ORDER BY l.id
"""

# The next claim takes over from a probe that died: only where none comes does it stay.
PROBES = """
SELECT l.subscription_id AS id FROM events_lane AS l
JOIN events_subscription AS s ON s.id = l.subscription_id
WHERE l.state = 'half_open' AND l.probe_until < now() - interval '60 seconds'
  AND s.state = 'active' AND s.deleted_at IS NULL
  AND EXISTS (SELECT FROM events_owed AS o WHERE o.subscription_id = l.subscription_id
              AND o.state = 'pending' AND o.due_at < now() - interval '60 seconds')
"""

# In one snapshot, like the sum of each lane.
TENANTS = """
SELECT tenant FROM (
    SELECT coalesce(tenant, '') AS tenant, sum(created - delivered - dead - cancelled) AS owed
    FROM events_ledgerentry GROUP BY 1) AS l
FULL JOIN (
    SELECT coalesce(owner, '') AS tenant, count(*) AS owed FROM events_owed GROUP BY 1) AS o
    USING (tenant)
WHERE coalesce(l.owed, 0) <> coalesce(o.owed, 0)
"""


def owed_after(after: UUID) -> tuple[list[tuple[Wrong, UUID]], UUID | None]:
    """Deliveries that are owed."""
    return _judged(statements.rows(OWED, {"after": after, "most": AT_ONCE}))


def finished_after(after: UUID) -> tuple[list[tuple[Wrong, UUID]], UUID | None]:
    """Deliveries that ended."""
    values = {"after": after, "most": AT_ONCE, "kept": first_kept()}
    return _judged(statements.rows(FINISHED, values))


def ended_after(after: UUID) -> tuple[list[UUID], UUID | None]:
    """Lanes whose ledger says of their deliveries that they ended otherwise than they did."""
    values = {
        "after": after,
        "lanes": LANES_AT_ONCE,
        "kept": first_kept(),
        "counted": COUNTED,
    }
    rows = statements.rows(ENDED, values)
    return [row.id for row in rows if row.wrong], rows[-1].id if rows else None


def stuck_probes() -> list[UUID]:
    """Lanes that wait half-open for a probe that died, and which nobody claims from."""
    return [row.id for row in statements.rows(PROBES)]


def stuck_fan_outs() -> list[UUID]:
    """Events whose deliveries are not all made though it was promised long ago."""
    old = FanOut.objects.filter(created_at__lt=Now() - STUCK).order_by("event")
    return list(old.values_list("event", flat=True)[:AT_ONCE])


def wrong_tenants() -> list[str]:
    """Tenants whose ledger and deliveries differ; the one without a name is nobody's.

    Reads all that is owed: whoever calls it spaces that.
    """
    return [row.tenant or "no tenant" for row in statements.rows(TENANTS)]


def first_kept() -> UUID:
    """The first id of the oldest day that retention keeps whole."""
    today = timezone.now().astimezone(UTC).date()
    return ids.span(today - timedelta(days=settings.REDRIVE_RETENTION_DAYS))[0]


def _judged(rows: Sequence[Any]) -> tuple[list[tuple[Wrong, UUID]], UUID | None]:
    found = []
    for row in rows:
        marks = {
            Wrong.EVENTLESS: row.eventless,
            Wrong.ENDED: row.ended,
            Wrong.MISCOUNTED: row.miscounted,
        }
        found += [(wrong, row.id) for wrong, is_so in marks.items() if is_so]
    return found, rows[-1].id if rows else None
