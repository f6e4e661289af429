"""Burying: a delivery that died becomes a dead letter, in the transaction in which it died."""

from __future__ import annotations

from collections.abc import Sequence

from dlq.rules import signature, words_of
from events import statements
from events.hooks import Death

# Upsert and insert in one round trip. Signatures are held in the order of their ids, so that two
# workers with the same groups never wait for each other crosswise.
BURY = """
WITH death AS MATERIALIZED (
    SELECT * FROM unnest(
        %(delivery)s::uuid[], %(event)s::uuid[], %(subscription)s::uuid[], %(owner)s::text[],
        %(event_type)s::text[], %(signature)s::uuid[], %(outcome)s::text[], %(status)s::int4[],
        %(words)s::text[], %(attempts)s::int4[], %(error)s::text[], %(reason)s::text[],
        %(died_at)s::timestamptz[]
    ) AS d(delivery, event, subscription, owner, event_type, signature, outcome, status, words,
           attempts, error, reason, died_at)
), grouped AS (
    INSERT INTO dlq_signature AS known (
        id, subscription_id, owner, outcome, status, words, error, first_at, last_at, total, open)
    SELECT signature, min(subscription::text)::uuid, min(owner), min(outcome), min(status),
        min(words), min(error), min(died_at), max(died_at), count(*), count(*)
    FROM death GROUP BY signature ORDER BY signature
    ON CONFLICT (id) DO UPDATE SET
        last_at = greatest(known.last_at, excluded.last_at),
        total = known.total + excluded.total, open = known.open + excluded.open
), hours AS (
    INSERT INTO dlq_deathhour AS known (signature_id, hour, died)
    SELECT signature, date_trunc('hour', died_at, 'UTC'), count(*)
    FROM death GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (signature_id, hour) DO UPDATE SET died = known.died + excluded.died
)
INSERT INTO dlq_deadletter (
    id, event_id, subscription_id, owner, event_type, signature_id, state, attempts, status,
    error, reason, died_at, settled_by)
SELECT delivery, event, subscription, owner, event_type, signature, 'open', attempts, status,
    error, reason, died_at, ''
FROM death
"""


def bury(deaths: Sequence[Death]) -> None:
    """Makes a dead letter of each death, in the caller's transaction."""
    words = [words_of(death.error, death.body) for death in deaths]
    statements.rows(
        BURY,
        {
            "delivery": [d.delivery for d in deaths],
            "event": [d.event for d in deaths],
            "subscription": [d.subscription for d in deaths],
            "owner": [d.owner for d in deaths],
            "event_type": [d.event_type for d in deaths],
            "signature": [
                signature(d.subscription, d.outcome, d.status, w)
                for d, w in zip(deaths, words, strict=True)
            ],
            "outcome": [d.outcome for d in deaths],
            "status": [d.status for d in deaths],
            "words": words,
            "attempts": [d.attempts for d in deaths],
            "error": [d.error for d in deaths],
            "reason": [d.reason for d in deaths],
            "died_at": [d.died_at for d in deaths],
        },
    )
