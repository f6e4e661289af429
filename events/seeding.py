"""Fills a database with a past that never was, for measuring: events, deliveries, attempts, deaths.

Everything is finished, so that nothing is sent; the ledger and the groups of dead letters agree
with it. Each chunk is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from events import hooks, operate, statements
from events.hooks import Death
from events.models import Subscription

ACTOR = "seed"
SUBSCRIPTIONS = 20
CHUNK = 50_000
SPREAD = timedelta(hours=24)
NOWHERE = "http://127.0.0.1:9/seeded"
ANSWER = b"the order %d is not known here"

# What follows from one another has to be in one place: a delivery needs its event's id. The ids
# are UUIDv7 of the moment that the rows pretend to be from. Of any run of numbers the same share
# is dead.
MAKE = """
CREATE TEMP TABLE seeded ON COMMIT DROP AS
SELECT n, at, (n * %(dead)s) / %(events)s > ((n - 1) * %(dead)s) / %(events)s AS dies,
    (%(subscriptions)s::uuid[])[1 + n %% cardinality(%(subscriptions)s::uuid[])] AS subscription,
    (ARRAY['order.paid', 'order.created', 'parcel.sent', 'user.changed'])[1 + n %% 4] AS type,
    ('x' || substr(md5(n::text), 1, 4))::bit(16)::int / 655.36 AS took,
    (stem || '7' || substr(md5('e' || n), 1, 3) || '8' || substr(md5('e' || n), 4, 15))::uuid
        AS event,
    (stem || '7' || substr(md5('d' || n), 1, 3) || '9' || substr(md5('d' || n), 4, 15))::uuid
        AS delivery,
    (stem || '7' || substr(md5('a' || n), 1, 3) || 'a' || substr(md5('a' || n), 4, 15))::uuid
        AS attempt
FROM (
    SELECT n, at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS stem
    FROM (
        SELECT n, %(start)s::timestamptz + %(spread)s::interval * n / %(events)s AS at
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    ) AS moments
) AS stems
"""

EVENTS = """
INSERT INTO events_event (id, source, type, subject, priority, datacontenttype, data, extensions,
    producer_event_id, received_at, matched, misses)
SELECT event, '/seed', type, 'order ' || n, 1, 'application/json',
    convert_to(format('{"order": %s, "total": %s, "note": "seeded"}', n, n % 500), 'UTF8'),
    '{}', NULL, at, 1, '{}'
FROM seeded
"""

FINISHED = """
INSERT INTO events_finished (id, event_id, subscription_id, event_type, state, priority, attempts,
    webhook_id, last_status, last_error, created_at, finished_at)
SELECT delivery, event, subscription, type, CASE WHEN dies THEN 'dead' ELSE 'delivered' END, 1, 1,
    delivery, CASE WHEN dies THEN 404 ELSE 200 END,
    CASE WHEN dies THEN '404 Not Found' ELSE '' END, at, at + interval '1 ms' * took
FROM seeded
"""

ATTEMPTS = """
INSERT INTO events_attempt (id, delivery_id, subscription_id, number, late, started_at, dns_ms,
    first_byte_ms, total_ms, outcome, verdict, status, error, request_headers, response_headers,
    response_body, address, worker)
SELECT attempt, delivery, subscription, 1, false, at, 0.1, took, took, 'responded',
    CASE WHEN dies THEN 'dead' ELSE 'delivered' END, CASE WHEN dies THEN 404 ELSE 200 END,
    CASE WHEN dies THEN '404 Not Found' ELSE '' END, '[]', '[]', '', '127.0.0.1', 'seed'
FROM seeded
"""

LEDGER = """
INSERT INTO events_ledgerentry (subscription_id, created, delivered, dead, cancelled, rolled)
SELECT subscription, count(*), count(*) FILTER (WHERE NOT dies), count(*) FILTER (WHERE dies), 0,
    false
FROM seeded GROUP BY subscription
"""

DEAD = "SELECT n, event, delivery, subscription, type, at FROM seeded WHERE dies ORDER BY n"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many events, and how many of them died; they begin at `start` and take SPREAD."""

    events: int
    dead: int
    start: datetime


def seed(wanted: Wanted) -> Iterator[int]:
    """Gives after each chunk how many events there are."""
    subscriptions = [_subscription(number) for number in range(SUBSCRIPTIONS)]
    for first in range(1, wanted.events + 1, CHUNK):
        last = min(first + CHUNK - 1, wanted.events)
        _make(wanted, subscriptions, first, last)
        yield last


def _subscription(number: int) -> Any:
    """Paused, because nobody listens there; used again by a second seeding."""
    name = f"Seeded {number + 1:02}"
    row = Subscription.objects.existing().filter(name=name).first()
    if row is None:
        fields = {"name": name, "url": f"{NOWHERE}/{number}", "types": [f"seeded.{number}"]}
        row = operate.create_subscription(actor=ACTOR, fields=fields, secret="")
        operate.pause(actor=ACTOR, subscription=row.id, reason="made by manage.py seed")
    return row.id


@transaction.atomic
def _make(wanted: Wanted, subscriptions: Sequence[Any], first: int, last: int) -> None:
    statements.rows(
        MAKE,
        {
            "events": wanted.events,
            "dead": wanted.dead,
            "start": wanted.start,
            "spread": SPREAD,
            "subscriptions": subscriptions,
            "first": first,
            "last": last,
        },
    )
    for statement in (EVENTS, FINISHED, ATTEMPTS, LEDGER):
        statements.rows(statement)
    hooks.dead([_death(row) for row in statements.rows(DEAD)])


def _death(row: Any) -> Death:
    return Death(
        delivery=row.delivery,
        event=row.event,
        subscription=row.subscription,
        tenant=None,
        owner=None,
        event_type=row.type,
        attempts=1,
        outcome="responded",
        status=404,
        error="404 Not Found",
        reason="its retries are spent",
        body=ANSWER % row.n,
        died_at=row.at,
    )
