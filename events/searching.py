"""Searching what events say: newest first, bounded in time, by the text index alone.

Asked in two steps, because no plan is good for every word. The newest rows are looked at one by
one: a word that many events have fills a page from them. Only a rarer word is looked up in the
index of words, a day at a time, since that gives all of its hits before their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled
from psycopg.sql import SQL, Composed, Literal

from events import jobs, load, statements
from events.models import EventText
from events.rules import ids, words
from events.rules.load import Step

JOB, WALKED = "events.text", "first"
"""The job that fills the index, and the name of its place in what that job keeps."""

SECONDS = 2
RECENT = 1_000
LAST = UUID(int=(1 << 128) - 1)

# Walks the primary key from its newest end: what it costs does not depend on the word.
NEWEST = """
SELECT id, words @@ %(question)s::tsquery AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
    AS hit
FROM events_text WHERE id >= %(low)s AND id < %(high)s ORDER BY id DESC LIMIT %(most)s
"""

# OFFSET 0 keeps the limit out, for which the planner would walk the primary key and hope for hits.
# With literals in it, because the plan depends on the word and on which partition is left.
OF_A_DAY = SQL(
    "(SELECT id FROM (SELECT id FROM events_text WHERE words @@ {question}::tsquery "
    "AND id >= {low}::uuid AND id < {high}::uuid "
    "AND ({tenant}::text IS NULL OR tenant = {tenant}) OFFSET 0) AS hits "
    "ORDER BY id DESC LIMIT {most})"
)

# What begins like a word is taken for a fiftieth of all events, however rare it is, and for that
# the planner would read the whole day. Days that are read at once would come in any order.
HELD = """
SELECT set_config('statement_timeout', %s, true), set_config('enable_seqscan', 'off', true),
    set_config('enable_indexscan', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true)
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look for: all of the words of `text`, below the id `before`, from `since` on.

    `hidden` also looks where not everybody may: in data and in the values of extensions.
    """

    text: str
    hidden: bool
    tenant: str | None = None
    before: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of events, newest first. `late` says that older ones were not looked at.

    There was no time for them, or there is too much load.
    """

    events: Sequence[UUID]
    late: bool = False


def reached() -> datetime | None:
    """Every event that was received before this moment can be found; None if none can yet."""
    place = jobs.state_of(JOB).get(WALKED)
    return ids.time_of(UUID(place)) if place else None


def search(asked: Asked, *, most: int) -> Found | None:
    """At most `most` events that have all of the words; None if there is no word to look for."""
    question = words.question(asked.text, hidden=asked.hidden, tenant=asked.tenant)
    if question is None:
        return None
    low, high = _bounds(asked)
    values = {"question": question, "tenant": asked.tenant}
    newest = statements.rows(NEWEST, {**values, "low": low, "high": high, "most": RECENT})
    hits = [row.id for row in newest if row.hit][:most]
    if len(newest) < RECENT or len(hits) == most:
        return Found(hits)
    if Step.NEWEST_SEARCHED in load.current().steps:
        return Found(hits, late=True)
    try:
        older = _older(asked, question, low, newest[-1].id, most - len(hits))
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return Found(hits, late=True)
        raise
    return Found([*hits, *older])


def _bounds(asked: Asked) -> tuple[UUID, UUID]:
    """The lowest id that is asked for, and the one that all of them are below."""
    low = ids.first_at(asked.since) if asked.since else UUID(int=0)
    high = ids.first_at(asked.until) if asked.until else LAST
    return low, min(high, asked.before or LAST)


def _older(asked: Asked, question: str, low: UUID, high: UUID, most: int) -> list[UUID]:
    """One statement for all days, which ends at the day that fills the page."""
    oldest = EventText.objects.order_by("id").values_list("id", flat=True)[0]
    parts = [
        OF_A_DAY.format(
            question=Literal(question),
            tenant=Literal(asked.tenant),
            low=Literal(str(start)),
            high=Literal(str(end)),
            most=Literal(most),
        )
        for start, end in _days(max(low, oldest), high)
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(HELD, [f"{SECONDS}s"])
        cursor.execute(_in_turn(parts, most))
        return [event for (event,) in cursor.fetchall()]


def _in_turn(parts: Sequence[Composed], most: int) -> Composed:
    days = SQL(" UNION ALL ").join(parts)
    return SQL("SELECT id FROM ({}) AS days LIMIT {}").format(days, Literal(most))


def _days(low: UUID, high: UUID) -> Iterator[tuple[UUID, UUID]]:
    """The bounds of each day between two ids, the newest day first."""
    day = ids.time_of(high).astimezone(UTC).date()
    while (bounds := ids.span(day))[1] > low:
        yield max(low, bounds[0]), min(high, bounds[1])
        day -= timedelta(days=1)
