"""Whether there is work that a worker could take now."""

from __future__ import annotations

from events import lanes, statements

# What a claim would look at, without taking anything: a lane behind a shut gate, at its cap, out
# of tokens, or with nothing but successors of stuck keys, is not work. Gates are looked at first,
# or a planner that takes the subscriptions for few probes each lane for each of them.
DUE = f"""
WITH RECURSIVE {lanes.WALK}, quota AS MATERIALIZED (
    SELECT lane.subscription_id, CASE WHEN s.ordered THEN {lanes.LOOK} ELSE 0 END AS look,
        least(CASE WHEN lane.state = 'closed' THEN {lanes.CAP} - {lanes.IN_FLIGHT} ELSE 1 END,
              floor({lanes.TOKENS})::int, 1) AS n
    FROM walk
    JOIN events_lane AS lane USING (subscription_id)
    JOIN events_subscription AS s ON s.id = walk.subscription_id
    WHERE {lanes.OPEN}
)
SELECT count(*) AS lanes FROM (
    SELECT FROM quota WHERE quota.n > 0 AND EXISTS ({lanes.READY}) LIMIT %(most)s
) AS due
"""


def due_lanes(*, most: int) -> int:
    """How many lanes have a delivery that may be sent now, counted up to `most`."""
    return int(statements.rows(DUE, {**lanes.ALL, "most": most}, prepare=True)[0].lanes)
