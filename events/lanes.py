"""Lanes as pieces of SQL: the walk over them, whose gates are open, and what of them may be sent.

Claim, the look for due lanes and the age of the backlog are made of these, so that they agree.
"""

from __future__ import annotations

from uuid import UUID

FIRST = UUID(int=0)
"""The cursor before the first lane."""

ALL = {"cursor": FIRST, "lanes": 2**31 - 1}
"""The values of a walk over every lane."""

# A loose index scan of owed_lane: one probe a lane, however much waits in it.
WALK = """walk(subscription_id, n) AS (
    (SELECT subscription_id, 1 FROM events_owed
     WHERE state = 'pending' AND subscription_id > %(cursor)s
     ORDER BY subscription_id LIMIT 1)
    UNION ALL
    SELECT next.subscription_id, walk.n + 1
    FROM walk CROSS JOIN LATERAL (
        SELECT subscription_id FROM events_owed
        WHERE state = 'pending' AND subscription_id > walk.subscription_id
        ORDER BY subscription_id LIMIT 1
    ) AS next
    WHERE walk.n < %(lanes)s
)"""

# An open breaker whose time is up lets one delivery through, and so does a half-open one whose
# probe died.
OPEN = """s.state = 'active' AND s.deleted_at IS NULL
      AND (lane.state = 'closed'
           OR (lane.state = 'open' AND lane.retry_at <= now())
           OR (lane.state = 'half_open' AND lane.probe_until <= now()))"""

CAP = """least(s.max_concurrency, coalesce(lane.ramp, s.max_concurrency),
              coalesce(lane."limit", s.max_concurrency))"""

# A bucket of 0.4 s of the rate: with what comes in meanwhile, any 10 s hold at most 4 % more.
TOKENS = """CASE WHEN s.rate_limit IS NULL THEN 1000000
             ELSE least(greatest(s.rate_limit * 0.4, 1), lane.tokens + s.rate_limit * extract(
                 epoch FROM now() - coalesce(lane.tokens_at, now() - interval '1 hour'))) END"""

# Of the lane that was walked to: named so, it is not counted for those that were not. Walks
# owed_in_flight.
IN_FLIGHT = """(SELECT count(*) FROM events_owed AS o
     WHERE o.subscription_id = walk.subscription_id AND o.state = 'in_flight')"""

LOOK = 64
"""How many due rows of an ordered lane are looked at beside those that are wanted. If they are
taken up by successors of keys that are stuck, the keys are walked instead: one probe a key."""

# Of the delivery `w`: whether nothing of its key is ahead of it. Walks owed_order.
FIRST_OF_KEY = """NOT EXISTS (
    SELECT FROM events_owed AS ahead
    WHERE ahead.subscription_id = w.subscription_id AND ahead.ordering_key = w.ordering_key
      AND (ahead.created_at, ahead.id) < (w.created_at, w.id))"""

# Of the lane `quota`, at most `quota.n` that may be sent now, by priority and due time. What has a
# key waits for what its key was owed before, and for what is in flight: a transaction that was
# overtaken by a later one must not send beside it. Which keys those are is looked up by a function,
# anew once the lane is held: our snapshot may be older, and would not show what was claimed since.
READY = f"""
    SELECT ready.* FROM (
        SELECT events_busy_keys(quota.subscription_id) AS keys
    ) AS busy CROSS JOIN LATERAL (
        WITH RECURSIVE seen AS MATERIALIZED (
            SELECT w.id, w.priority, w.due_at, w.ordering_key IS NULL OR (
                w.ordering_key <> ALL(busy.keys) AND {FIRST_OF_KEY}) AS free
            FROM (VALUES (0::int2), (1::int2), (2::int2)) AS p(priority)
            CROSS JOIN LATERAL (
                SELECT * FROM events_owed AS o
                WHERE o.state = 'pending' AND o.subscription_id = quota.subscription_id
                  AND o.priority = p.priority AND o.due_at <= now()
                ORDER BY o.due_at LIMIT quota.n + quota.look
            ) AS w
        ), key(ordering_key) AS (
            (SELECT o.ordering_key FROM events_owed AS o
             WHERE o.subscription_id = quota.subscription_id AND o.ordering_key IS NOT NULL
               AND (SELECT count(*) >= quota.n + quota.look
                           AND count(*) FILTER (WHERE free) < quota.n FROM seen)
             ORDER BY o.ordering_key LIMIT 1)
            UNION ALL
            SELECT next.ordering_key FROM key CROSS JOIN LATERAL (
                SELECT o.ordering_key FROM events_owed AS o
                WHERE o.subscription_id = quota.subscription_id
                  AND o.ordering_key > key.ordering_key
                ORDER BY o.ordering_key LIMIT 1
            ) AS next
        )
        SELECT id, priority, due_at FROM seen WHERE free
        UNION
        SELECT head.id, head.priority, head.due_at
        FROM key CROSS JOIN LATERAL (
            SELECT * FROM events_owed AS o
            WHERE o.subscription_id = quota.subscription_id
              AND o.ordering_key = key.ordering_key
            ORDER BY o.created_at, o.id LIMIT 1
        ) AS head
        WHERE head.state = 'pending' AND head.due_at <= now()
          AND head.ordering_key <> ALL(busy.keys)
        ORDER BY priority, due_at LIMIT quota.n
    ) AS ready"""
