"""Retention: partitions are made a week ahead and dropped by the day.

A day is dropped when it is older than the retention and nothing still needs it: no owed delivery,
no fan-out left to expand, no replay running. A day that something holds waits, and is reported.
What a paused or disabled subscription is still owed of it by then expires to the dead letters.
Rows never wait for a partition: the default one takes what has none, and is emptied here.
"""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from psycopg.sql import SQL, Composed, Identifier, Literal

from events import hooks, jobs
from events.finish import finish
from events.models import EventIdentity, FanOut, Heartbeat, OwedDelivery, Poison, Subscription
from events.rules import ids
from events.rules.states import DeliveryState, SubscriptionState

log = logging.getLogger(__name__)

JOB = "events.retain"

AHEAD = 7
TABLES = ("events_event", "events_finished", "events_attempt", "events_text")
"""The words come after their events: who indexes a day holds it open until they are written."""

EXPIRED = "expired: its subscription was not active until the retention of its event was over"
EXPIRED_AT_ONCE = 1_000


def retain_and_tell() -> None:
    """Keeps which days wait, for whoever shows it."""
    jobs.remember(JOB, {"waits": [day.isoformat() for day in retain()]})


def retain() -> list[date]:
    """Makes what is missing, drops what is over, forgets old identities and processes.

    Gives the days that should be gone but that something unfinished still needs.
    """
    today = timezone.now().astimezone(UTC).date()
    make_partitions(today)
    EventIdentity.objects.filter(expires_at__lt=Now()).delete()
    Heartbeat.objects.forgotten().delete()
    last_kept = today - timedelta(days=settings.REDRIVE_RETENTION_DAYS)
    over = sorted({day for table in TABLES for day in days_of(table) if day < last_kept})
    for day in over:
        expire_held(day)
    return [day for day in over if not drop_day(day)]


def expire_held(day: date) -> int:
    """Buries what paused and disabled subscriptions are owed of a day that is over; gives how many.

    Until then all of it is kept, so that resuming in time loses nothing. Walks owed_event.
    """
    low, high = ids.span(day)
    held = Subscription.objects.filter(
        state__in=[SubscriptionState.PAUSED, SubscriptionState.DISABLED]
    )
    owed = OwedDelivery.objects.filter(
        event__gte=low,
        event__lt=high,
        state=DeliveryState.PENDING,
        subscription__in=held.values("id"),
    )
    total = 0
    while True:
        with transaction.atomic():
            free = owed.select_for_update(skip_locked=True).values_list("id", flat=True)
            ended = finish(list(free[:EXPIRED_AT_ONCE]), DeliveryState.DEAD, reason=EXPIRED)
        total += len(ended)
        if not ended:
            return total


def make_partitions(today: date) -> None:
    """The partitions of today and of the days ahead."""
    for table in TABLES:
        known = set(days_of(table))
        for day in (today + timedelta(days=n) for n in range(AHEAD + 1)):
            if day not in known:
                _make(table, day)


def days_of(table: str) -> list[date]:
    """The days that have a partition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = to_regclass(%s)",
            [table],
        )
        names = [name.removeprefix(f"{table}_") for (name,) in cursor.fetchall()]
    return [datetime.strptime(n, "%Y%m%d").replace(tzinfo=UTC).date() for n in names if n.isdigit()]


def stray_rows() -> list[str]:
    """The tables that hold rows of days without a partition: a finding, never a refusal."""
    exists = "SELECT EXISTS (SELECT FROM {table})"
    with connection.cursor() as cursor:
        found = []
        for table in TABLES:
            cursor.execute(_sql(exists, table=f"{table}_default"))
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def _sql(text: str, **names: str) -> Composed:
    return SQL(text).format(**{key: Identifier(name) for key, name in names.items()})


@transaction.atomic
def _make(table: str, day: date) -> None:
    """Attaches a filled table, so that the parent is locked for a moment and no row is refused."""
    low, high = ids.span(day)
    names = {"table": table, "made": f"{table}_{day:%Y%m%d}", "rest": f"{table}_default"}
    with connection.cursor() as cursor:
        # Two processes may be at this: the second one finds it made.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [names["made"]])
        cursor.execute("SELECT to_regclass(%s)", [names["made"]])
        if cursor.fetchone()[0] is not None:
            return
        like = "CREATE TABLE {made} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        cursor.execute(_sql(like, **names))
        cursor.execute(_sql("LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE", **names))
        move = (
            "WITH moved AS (DELETE FROM {rest} WHERE id >= %s AND id < %s RETURNING *) "
            "INSERT INTO {made} SELECT * FROM moved"
        )
        cursor.execute(_sql(move, **names), [low, high])
        attach = "ALTER TABLE {table} ATTACH PARTITION {made} FOR VALUES FROM ({low}) TO ({high})"
        bounds = {"low": Literal(str(low)), "high": Literal(str(high))}
        parts = {key: Identifier(name) for key, name in names.items()}
        cursor.execute(SQL(attach).format(**parts, **bounds))


def drop_day(day: date) -> bool:
    """Drops the day's partitions unless something unfinished needs them; says whether it did."""
    low, high = ids.span(day)
    if _needed(low, high):
        log.warning("the day %s is over but what is owed or replayed still needs it", day)
        return False
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(_sql("DROP TABLE IF EXISTS {old}", old=f"{table}_{day:%Y%m%d}"))
    Poison.objects.filter(event__gte=low, event__lt=high).delete()
    return True


def _needed(low: UUID, high: UUID) -> bool:
    return (
        OwedDelivery.objects.filter(event__gte=low, event__lt=high).exists()
        or OwedDelivery.objects.filter(id__gte=low, id__lt=high).exists()
        or FanOut.objects.filter(event__gte=low, event__lt=high).exists()
        or hooks.needed()
    )
