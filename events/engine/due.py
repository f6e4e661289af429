"""Whether there is work that a worker could take now."""

from __future__ import annotations

from events import statements

# The walk of the claim, without taking anything: a lane behind a shut gate is not work. Gates are
# looked at first, or a planner that takes the subscriptions for few probes each lane for each of
# them; and the order makes it take owed_lane, since it thinks that any row will do for LIMIT 1.
DUE = """
WITH RECURSIVE walk(subscription_id) AS (
    (SELECT subscription_id FROM events_owed
     WHERE state = 'pending' ORDER BY subscription_id LIMIT 1)
    UNION ALL
    SELECT next.subscription_id
    FROM walk CROSS JOIN LATERAL (
        SELECT subscription_id FROM events_owed
        WHERE state = 'pending' AND subscription_id > walk.subscription_id
        ORDER BY subscription_id LIMIT 1
    ) AS next
), gate AS MATERIALIZED (
    SELECT walk.subscription_id FROM walk
    JOIN events_lane AS lane USING (subscription_id)
    JOIN events_subscription AS s ON s.id = walk.subscription_id
    WHERE s.state = 'active' AND s.deleted_at IS NULL
      AND (lane.state = 'closed'
           OR (lane.state = 'open' AND lane.retry_at <= now())
           OR (lane.state = 'half_open' AND lane.probe_until <= now()))
)
SELECT count(*) AS lanes FROM (
    SELECT FROM gate WHERE EXISTS (
        SELECT FROM (VALUES (0::int2), (1::int2), (2::int2)) AS p(priority)
        CROSS JOIN LATERAL (
            SELECT FROM events_owed AS o
            WHERE o.subscription_id = gate.subscription_id AND o.state = 'pending'
              AND o.priority = p.priority AND o.due_at <= now()
            ORDER BY o.due_at LIMIT 1) AS o)
    LIMIT %(most)s
) AS due
"""


def due_lanes(*, most: int) -> int:
    """How many lanes have a delivery that may be sent now, counted up to `most`."""
    return int(statements.rows(DUE, {"most": most})[0].lanes)
