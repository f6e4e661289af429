"""The laws that hold in every snapshot of the database, whatever happened before it."""

from __future__ import annotations

from typing import Any

from django.db import connection

# created = delivered + dead + cancelled + owed, for each subscription.
LEDGER = """
SELECT coalesce(l.subscription_id, o.subscription_id), l.created, l.ended, o.owed
FROM (SELECT subscription_id, sum(created) AS created,
             sum(delivered + dead + cancelled) AS ended
      FROM events_ledgerentry GROUP BY 1) AS l
FULL JOIN (SELECT subscription_id, count(*) AS owed FROM events_owed GROUP BY 1) AS o
    USING (subscription_id)
WHERE coalesce(l.created, 0) <> coalesce(l.ended, 0) + coalesce(o.owed, 0)
"""

ENDED = """
SELECT l.subscription_id FROM (
    SELECT subscription_id, sum(delivered) AS delivered, sum(dead) AS dead,
           sum(cancelled) AS cancelled
    FROM events_ledgerentry GROUP BY 1) AS l
LEFT JOIN (
    SELECT subscription_id, count(*) FILTER (WHERE state = 'delivered') AS delivered,
           count(*) FILTER (WHERE state = 'dead') AS dead,
           count(*) FILTER (WHERE state = 'cancelled') AS cancelled
    FROM events_finished GROUP BY 1) AS f USING (subscription_id)
WHERE (l.delivered, l.dead, l.cancelled)
    <> (coalesce(f.delivered, 0), coalesce(f.dead, 0), coalesce(f.cancelled, 0))
"""

TWICE = """
SELECT event_id, subscription_id FROM events_delivery WHERE replay_id IS NULL
GROUP BY 1, 2 HAVING count(*) > 1
"""

BOTH = "SELECT id FROM events_owed JOIN events_finished USING (id)"

FORGOTTEN = """
SELECT e.id, e.matched, count(d.id) FROM events_event AS e
LEFT JOIN events_delivery AS d ON d.event_id = e.id AND d.replay_id IS NULL
LEFT JOIN events_fanout AS f ON f.event_id = e.id
GROUP BY e.id, e.matched, f.remaining
HAVING e.matched <> count(d.id) + coalesce(cardinality(f.remaining), 0)
"""

ORPHANS = """
SELECT d.id FROM events_delivery AS d LEFT JOIN events_event AS e ON e.id = d.event_id
WHERE e.id IS NULL
"""

UNBURIED = """
SELECT coalesce(f.id, d.id)
FROM (SELECT id FROM events_finished WHERE state = 'dead') AS f
FULL JOIN dlq_deadletter AS d USING (id) WHERE f.id IS NULL OR d.id IS NULL
"""

MISCOUNTED = """
SELECT s.id, s.total, s.open, count(d.id), count(d.id) FILTER (WHERE d.state = 'open')
FROM dlq_signature AS s LEFT JOIN dlq_deadletter AS d ON d.signature_id = s.id
GROUP BY s.id
HAVING (s.total, s.open) <> (count(d.id), count(d.id) FILTER (WHERE d.state = 'open'))
"""

LAWS = {
    "the ledger is the truth about what is owed": LEDGER,
    "the ledger is the truth about what ended": ENDED,
    "an event is owed to a subscription once": TWICE,
    "a delivery is owed or finished": BOTH,
    "every match has its delivery": FORGOTTEN,
    "every delivery has its event": ORPHANS,
    "every death is a dead letter": UNBURIED,
    "groups count their letters": MISCOUNTED,
}


def hold() -> None:
    """Fails with the law that is broken and the rows that break it."""
    with connection.cursor() as cursor:
        for law, sql in LAWS.items():
            cursor.execute(sql)
            broken: list[Any] = cursor.fetchmany(5)
            assert not broken, f"{law}: {broken}"
