"""The laws that must hold after every drill.

The producer's journal, the database and the receiver's journal are compared. Each law gives the
sentences of what broke it; none is the aim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from drills.spans import Span, pauses, sends_in
from events.rules import ids
from events.rules.ids import Prefix

SUBSCRIPTIONS = 3
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each side says. `accepted` maps the producer's event ids to the ids it was given.

    `lanes` are the subscriptions that the load goes to, `lease` the seconds of a claim on them,
    `tries` the most that they allow; `opened` is when breakers were seen open.
    """

    accepted: Mapping[str, str]
    received: Sequence[Mapping[str, Any]]
    lanes: Sequence[UUID]
    lease: float
    tries: int
    opened: Sequence[Span]
    database: psycopg.Connection[Any]

    @property
    def arrived(self) -> Counter[str]:
        """How often each webhook-id was answered with 2xx."""
        return Counter(line["id"] for line in self.received if 200 <= line["status"] < 300)


def lost_events(found: Evidence) -> Iterable[str]:
    """(a) Every accepted event is stored, under the id that its producer was given."""
    rows = found.database.execute(
        "SELECT producer_event_id, id FROM events_event WHERE source = '/drill'"
    )
    stored = {ids.encode(Prefix.EVENT, identifier): name for name, identifier in rows}
    names = set(stored.values())
    for name, given in found.accepted.items():
        if name not in names:
            yield f"event {name} was accepted and is not stored"
        elif stored.get(given) != name:
            yield f"event {name} was accepted as {given} and is stored as another"


def wrong_fan_out(found: Evidence) -> Iterable[str]:
    """(b) Every event has exactly one delivery for each subscription, and is stored once."""
    rows = found.database.execute(
        "SELECT e.producer_event_id, count(d.id), count(DISTINCT d.subscription_id) "
        "FROM events_event AS e LEFT JOIN events_delivery AS d "
        "ON d.event_id = e.id AND d.replay_id IS NULL "
        "WHERE e.source = '/drill' GROUP BY e.producer_event_id "
        "HAVING count(d.id) <> %s OR count(DISTINCT d.subscription_id) <> %s",
        (SUBSCRIPTIONS, SUBSCRIPTIONS),
    )
    return [f"event {name} has {n} deliveries to {subs} subscriptions" for name, n, subs in rows]


def false_deliveries(found: Evidence) -> Iterable[str]:
    """(c) What is called delivered was answered with 2xx, and nothing else arrived."""
    arrived = found.arrived
    rows = found.database.execute(
        "SELECT webhook_id, state FROM events_delivery WHERE subscription_id = ANY(%s)",
        [found.lanes],
    )
    states = {public(webhook_id): state for webhook_id, state in rows}
    for name, state in states.items():
        if state == "delivered" and name not in arrived:
            yield f"{name} is called delivered and never arrived"
    for name in arrived:
        if name not in states:
            yield f"{name} arrived and is not known"


def unaccounted(found: Evidence) -> Iterable[str]:
    """(e) Created = delivered + dead + cancelled + owed, for every lane."""
    rows = found.database.execute(
        "SELECT subscription_id, coalesce(l.owed, 0), coalesce(o.owed, 0) "
        "FROM (SELECT subscription_id, sum(created - delivered - dead - cancelled) AS owed "
        "      FROM events_ledgerentry GROUP BY 1) AS l "
        "FULL JOIN (SELECT subscription_id, count(*) AS owed FROM events_owed GROUP BY 1) AS o "
        "USING (subscription_id) WHERE coalesce(l.owed, 0) <> coalesce(o.owed, 0)"
    )
    return [
        f"lane {lane}: the ledger says {said} are owed, {owed} are" for lane, said, owed in rows
    ]


def still_owed(found: Evidence) -> Iterable[str]:
    """(f) With the fault over, everything ends: nothing is owed, in flight or dead."""
    rows = found.database.execute(
        "SELECT d.state, s.url, l.state, l.retry_at - now(), min(d.due_at) - now(), count(*) "
        "FROM events_delivery AS d JOIN events_subscription AS s ON s.id = d.subscription_id "
        "JOIN events_lane AS l ON l.subscription_id = s.id "
        "WHERE d.state <> 'delivered' AND d.subscription_id = ANY(%s) GROUP BY 1, 2, 3, 4",
        [found.lanes],
    )
    return [
        f"{n} to {url} are {state}, the breaker is {breaker} (opens in {opens}), due in {due}"
        for state, url, breaker, opens, due, n in rows
    ]


def disorder(found: Evidence) -> Iterable[str]:
    """(g) What the ordered endpoint took, with repeats removed, is in the order of publishing."""
    last: dict[Any, int] = {}
    seen: set[str] = set()
    for line in found.received:
        if line["path"] != "/ordered" or line["status"] != 200 or line["id"] in seen:
            continue
        seen.add(line["id"])
        if line["number"] <= last.get(line["key"], 0):
            yield f"key {line['key']}: {line['number']} came after {last[line['key']]}"
        last[line["key"]] = line["number"]


def tried_too_often(found: Evidence) -> Iterable[str]:
    """(h) No delivery is tried more often than its schedule says."""
    rows = found.database.execute(
        "SELECT delivery_id, count(*) FROM events_attempt WHERE NOT late "
        "AND subscription_id = ANY(%s) GROUP BY 1 HAVING count(*) > %s",
        (found.lanes, found.tries),
    )
    return [f"{public(delivery)} was tried {n} times, not {found.tries}" for delivery, n in rows]


def sent_while_held(found: Evidence) -> Iterable[str]:
    """(i) Nothing is sent to a lane that is paused, or whose breaker is open."""
    for span in (*found.opened, *pauses(found.database, found.lanes)):
        if many := sends_in(span, found.database):
            lane = ids.encode(Prefix.SUBSCRIPTION, span.lane)
            yield f"{many} sends to {lane} began while {span.why}"


def unsigned(found: Evidence) -> Iterable[str]:
    """(j) Every request verifies."""
    return [
        f"{line['id']} came with a wrong signature" for line in found.received if not line["signed"]
    ]


LAWS = (
    lost_events,
    wrong_fan_out,
    false_deliveries,
    unaccounted,
    still_owed,
    disorder,
    tried_too_often,
    sent_while_held,
    unsigned,
)


def audit(found: Evidence) -> list[str]:
    """Every broken law, with a few examples each; empty if all hold."""
    broken = []
    for law in LAWS:
        wrong = list(law(found))
        if wrong:
            broken.append(f"{law.__name__}: {len(wrong)}, such as {'; '.join(wrong[:SHOWN])}")
    return broken


@dataclass(frozen=True, slots=True)
class Ledger:
    """The sums of the ledger at one moment."""

    created: int = 0
    delivered: int = 0
    dead: int = 0
    cancelled: int = 0

    @property
    def owed(self) -> int:
        return self.created - self.delivered - self.dead - self.cancelled


def ledger(database: psycopg.Connection[Any]) -> Ledger:
    """What the ledger says now."""
    row = database.execute(
        "SELECT coalesce(sum(created), 0)::int, coalesce(sum(delivered), 0)::int, "
        "coalesce(sum(dead), 0)::int, coalesce(sum(cancelled), 0)::int FROM events_ledgerentry"
    ).fetchone()
    return Ledger(*(row or (0, 0, 0, 0)))


def public(identifier: UUID) -> str:
    """A delivery's public id, as the receiver sees it."""
    return ids.encode(Prefix.DELIVERY, identifier)
