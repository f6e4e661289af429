"""The text index: the words of events, written beside the publish path and never on it.

Two walks go over the events by id, a slice at a time. The first keeps seconds behind now, so that
an event is found soon. But an id is made before its commit, by the clock of its host: one that
commits late may come in below where the first walk is. The second walk goes over the same ids an
hour later and adds what is missing. A slice and its walk's place are one transaction, so that a
kill loses and repeats nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from events import jobs, load, statements
from events.rules import ids, words
from events.rules.cloudevents import is_json_type
from events.rules.load import Step
from events.searching import JOB, WALKED

BEHIND = {WALKED: timedelta(seconds=15), "again": timedelta(hours=1)}
"""The walks, and how far each stays behind PostgreSQL's clock."""

SLICE = 500
BUDGET = 0.25
"""Seconds that a run goes on with one walk."""

# Raw, to be planned once a connection: these run all the time. The bounds leave the partitions of
# other days out, which ANY alone would look into.
AHEAD = """
SELECT id FROM events_event WHERE id >= %(start)s AND id < %(until)s ORDER BY id LIMIT %(most)s
"""

KNOWN = """
SELECT id FROM events_text
WHERE id = ANY(%(ids)s::uuid[]) AND id >= %(first)s AND id <= %(last)s
"""

READ = """
SELECT id, tenant, source, type, subject, producer_event_id, dataschema, datacontenttype,
    extensions, substring(data FROM 1 FOR %(bytes)s) AS data
FROM events_event WHERE id = ANY(%(ids)s::uuid[]) AND id >= %(first)s AND id <= %(last)s
"""

WRITE = """
INSERT INTO events_text (id, tenant, words)
SELECT e.id, e.tenant, e.words::tsvector
FROM unnest(%(ids)s::uuid[], %(tenants)s::text[], %(words)s::text[]) AS e(id, tenant, words)
ON CONFLICT (id) DO NOTHING
"""

# What the index loses in a crash, its walk loses with it and writes again: no publish has to wait
# behind a flush of it.
ALONE = """
SELECT pg_try_advisory_xact_lock(hashtext('events.text')) AS alone,
    set_config('synchronous_commit', 'off', true)
"""


def index() -> int:
    """One run of both walks; gives how many events it indexed. It rests while there is load."""
    if not settings.REDRIVE_SEARCH or Step.INDEX_RESTS in load.current().steps:
        return 0
    return sum(_walk(name, behind) for name, behind in BEHIND.items())


def _walk(name: str, behind: timedelta) -> int:
    total, ends = 0, time.monotonic() + BUDGET
    while True:
        with transaction.atomic():
            done, more = _slice(name, behind)
        total += done
        if not more or time.monotonic() > ends:
            return total


def _slice(name: str, behind: timedelta) -> tuple[int, bool]:
    """The next slice of a walk: how many it indexed, and whether there is more to do now."""
    if not statements.rows(ALONE)[0].alone:
        return 0, False
    state = jobs.state_of(JOB)
    now: datetime = statements.rows("SELECT now() AS now")[0].now
    start, until = UUID(state.get(name, str(UUID(int=0)))), ids.first_at(now - behind)
    values = {"start": start, "until": until, "most": SLICE}
    found = [row.id for row in statements.rows(AHEAD, values)]
    done = _write(found)
    more = len(found) == SLICE
    place = UUID(int=found[-1].int + 1) if more else max(start, until)
    jobs.remember(JOB, {**state, name: str(place)})
    return done, more


def _write(found: Sequence[UUID]) -> int:
    """Indexes those events that are not indexed yet."""
    if not found:
        return 0
    bounds = {"first": found[0], "last": found[-1]}
    known = {row.id for row in statements.rows(KNOWN, {"ids": list(found), **bounds})}
    missing = [one for one in found if one not in known]
    if missing:
        wanted = {"ids": missing, "bytes": words.DATA_BYTES, **bounds}
        rows = statements.rows(READ, wanted)
        values = {
            "ids": [row.id for row in rows],
            "tenants": [row.tenant for row in rows],
            "words": [_words(row) for row in rows],
        }
        statements.rows(WRITE, values)
    return len(missing)


def _words(row: Any) -> str:
    shown = (row.type, row.source, row.subject, row.producer_event_id, row.dataschema)
    data = words.text_of(bytes(row.data), json=is_json_type(row.datacontenttype))
    headers = [f"{name} {value}" for name, value in row.extensions.items()]
    return words.lexemes(shown=shown, hidden=[*headers, data], tenant=row.tenant)
