"""The laws that the database alone can be held to, for `manage.py audit`.

Each is a statement that gives what breaks it, in one snapshot, so they hold under load too. They
read everything that is stored: this is a check by hand, the reconciler's is the one for every day.

`%(kept)s` is the first id of the oldest day that retention keeps whole: of what is older, a part
may be gone already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from events import statements
from events.engine.retention import stray_rows
from events.rules import ids

SHOWN = 3

LEDGER_OWED = """
SELECT coalesce(l.subscription_id, o.subscription_id) AS subscription, l.owed AS said, o.owed
FROM (SELECT subscription_id, sum(created - delivered - dead - cancelled)::bigint AS owed
      FROM events_ledgerentry GROUP BY 1) AS l
FULL JOIN (SELECT subscription_id, count(*) AS owed FROM events_owed GROUP BY 1) AS o
    USING (subscription_id)
WHERE coalesce(l.owed, 0) <> coalesce(o.owed, 0)
"""

# Of a lane older than the retention, history is gone that the ledger still counts.
LEDGER_ENDED = """
SELECT subscription_id AS subscription, l.delivered, l.dead, l.cancelled, f.delivered AS delivered_,
    f.dead AS dead_, f.cancelled AS cancelled_
FROM (SELECT subscription_id, sum(delivered)::bigint AS delivered, sum(dead)::bigint AS dead,
          sum(cancelled)::bigint AS cancelled
      FROM events_ledgerentry GROUP BY 1) AS l
FULL JOIN (SELECT subscription_id, count(*) FILTER (WHERE state = 'delivered') AS delivered,
               count(*) FILTER (WHERE state = 'dead') AS dead,
               count(*) FILTER (WHERE state = 'cancelled') AS cancelled
           FROM events_finished GROUP BY 1) AS f USING (subscription_id)
CROSS JOIN LATERAL (SELECT
    coalesce(l.delivered, 0) - coalesce(f.delivered, 0) AS delivered,
    coalesce(l.dead, 0) - coalesce(f.dead, 0) AS dead,
    coalesce(l.cancelled, 0) - coalesce(f.cancelled, 0) AS cancelled) AS less
WHERE least(less.delivered, less.dead, less.cancelled) < 0
   OR (subscription_id >= %(kept)s::uuid
       AND (less.delivered, less.dead, less.cancelled) <> (0, 0, 0))
"""

OWED_ONCE = """
SELECT event_id, subscription_id, count(*) AS n FROM events_delivery WHERE replay_id IS NULL
GROUP BY 1, 2 HAVING count(*) > 1
"""

OWED_OR_FINISHED = "SELECT id FROM events_owed JOIN events_finished USING (id)"

EVERY_MATCH = """
SELECT e.id AS event, e.matched, count(d.id) AS made
FROM events_event AS e
LEFT JOIN events_delivery AS d ON d.event_id = e.id AND d.replay_id IS NULL
LEFT JOIN events_fanout AS f ON f.event_id = e.id
WHERE e.id >= %(kept)s::uuid
GROUP BY e.id, e.matched, f.remaining
HAVING e.matched <> count(d.id) + coalesce(cardinality(f.remaining), 0)
"""

EVENTLESS = """
SELECT d.id AS delivery, d.event_id AS event FROM events_delivery AS d
WHERE d.event_id >= %(kept)s::uuid
  AND NOT EXISTS (SELECT FROM events_event AS e WHERE e.id = d.event_id)
"""

BURIED = """
SELECT coalesce(f.id, d.id) AS delivery
FROM (SELECT id FROM events_finished WHERE state = 'dead') AS f
FULL JOIN dlq_deadletter AS d USING (id)
WHERE d.id IS NULL OR (f.id IS NULL AND d.id >= %(kept)s::uuid)
"""

GROUPS = """
SELECT s.id AS signature, s.total, s.open, count(d.id) AS letters,
    count(d.id) FILTER (WHERE d.state = 'open') AS open_letters
FROM dlq_signature AS s LEFT JOIN dlq_deadletter AS d ON d.signature_id = s.id
GROUP BY s.id
HAVING (s.total, s.open) <> (count(d.id), count(d.id) FILTER (WHERE d.state = 'open'))
"""

ATTEMPTS = """
SELECT d.id AS delivery, d.attempts AS said, count(a.id) AS made
FROM events_delivery AS d
LEFT JOIN events_attempt AS a ON a.delivery_id = d.id AND NOT a.late
WHERE d.id >= %(kept)s::uuid
GROUP BY d.id, d.attempts HAVING d.attempts <> count(a.id)
"""

LEASES = """
SELECT id AS delivery, lease_until FROM events_owed
WHERE state = 'in_flight' AND lease_until < now() - interval '30 seconds'
"""

# The next claim takes over from a probe that died; only a lane that nothing is owed in may rest.
PROBES = """
SELECT subscription_id AS subscription, probe_until FROM events_lane AS l
JOIN events_subscription AS s ON s.id = l.subscription_id
WHERE l.state = 'half_open' AND l.probe_until < now() - interval '60 seconds'
  AND s.state = 'active' AND s.deleted_at IS NULL
  AND EXISTS (SELECT FROM events_owed AS o WHERE o.subscription_id = l.subscription_id
              AND o.state = 'pending' AND o.due_at < now() - interval '60 seconds')
"""

LANES = """
SELECT s.id AS subscription FROM events_subscription AS s
WHERE s.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM events_lane AS l WHERE l.subscription_id = s.id)
"""

ORPHANS = """
SELECT o.id AS delivery, o.subscription_id AS subscription FROM events_owed AS o
WHERE NOT EXISTS (SELECT FROM events_subscription AS s
                  WHERE s.id = o.subscription_id AND s.deleted_at IS NULL)
"""

REPLAYED_ONCE = """
SELECT replay_id, replay_source, count(*) AS n FROM events_delivery WHERE replay_id IS NOT NULL
GROUP BY 1, 2 HAVING count(*) > 1
"""

EPOCH = "SELECT 'none' AS epoch WHERE NOT EXISTS (SELECT FROM events_epoch)"

LAWS = {
    "the ledger is the truth about what is owed": LEDGER_OWED,
    "the ledger is the truth about what ended": LEDGER_ENDED,
    "an event is owed to a subscription once": OWED_ONCE,
    "a replay owes each source once": REPLAYED_ONCE,
    "a delivery is owed or finished, not both": OWED_OR_FINISHED,
    "every match has its delivery": EVERY_MATCH,
    "every delivery has its event": EVENTLESS,
    "every attempt is counted, and no other": ATTEMPTS,
    "every death is a dead letter": BURIED,
    "groups count their letters": GROUPS,
    "no lease outlives its worker": LEASES,
    "no breaker waits for a dead probe": PROBES,
    "every subscription has its lane": LANES,
    "nothing is owed to nobody": ORPHANS,
    "the epoch is there": EPOCH,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """One law: how many rows break it, and the first of them in words."""

    law: str
    broken: int
    examples: tuple[str, ...]


def judge() -> list[Judged]:
    """Holds the database to every law, one after the other."""
    today = timezone.now().astimezone(UTC).date()
    kept, _ = ids.span(today - timedelta(days=settings.REDRIVE_RETENTION_DAYS))
    strays = tuple(stray_rows())
    return [
        *(_judged(law, statement, {"kept": kept}) for law, statement in LAWS.items()),
        Judged("every row is in the partition of its day", len(strays), strays[:SHOWN]),
    ]


@transaction.atomic
def _judged(law: str, statement: str, values: dict[str, Any]) -> Judged:
    # Reading everything takes what it takes.
    statements.rows("SET LOCAL statement_timeout = 0")
    named = values if "%(" in statement else ()
    found = statements.rows(statement, named)
    return Judged(law, len(found), tuple(_words(row) for row in found[:SHOWN]))


def _words(row: Any) -> str:
    return ", ".join(f"{name.strip('_')} {value}" for name, value in row._asdict().items())
