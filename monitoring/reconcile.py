"""The reconciler: recounts a slice at a time, mends what is safe to mend, and says what it saw.

A run looks at the whole of what stays small and, for a moment, at the next slices of what grows, so
it costs the same however much is stored. Its report stands in its job's row, where the findings
take it from. docs/runbook.md says what each kind means and asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from dlq.repair import bury_forgotten, recount_groups
from events import jobs, repair, statements
from events.engine.retention import stray_rows
from events.rules import ids
from events.rules.ids import Prefix
from monitoring.depth import due_after
from monitoring.models import Kind
from monitoring.report import JOB, Found, after_run

START = UUID(int=0)

BUDGET = 0.3
"""Seconds that a run goes on with one kind of slice: about 20,000 events, so that it keeps up."""

KEPT = 100
"""Broken promises of a round that are named; manage.py audit finds all of them."""

# In one snapshot: what the ledger says was created and ended, and what is in fact still owed.
UNACCOUNTED = """
SELECT coalesce(l.subscription_id, o.subscription_id) AS subscription,
    coalesce(l.owed, 0) - coalesce(o.owed, 0) AS missing
FROM (SELECT subscription_id, sum(created - delivered - dead - cancelled) AS owed
      FROM events_ledgerentry GROUP BY 1) AS l
FULL JOIN (SELECT subscription_id, count(*) AS owed FROM events_owed GROUP BY 1) AS o
    USING (subscription_id)
WHERE coalesce(l.owed, 0) <> coalesce(o.owed, 0)
"""


def reconcile() -> list[Found]:
    """One run: gives what was found, mended or not; nothing if all is well."""
    state = jobs.state_of(JOB)
    now: datetime = statements.rows("SELECT now() AS now")[0].now
    found = [
        # First, because without its row nothing can be published.
        Found(Kind.MISSING_EPOCH, repair.make_epoch(), mended=True),
        Found(Kind.MISSING_LANE, _public(Prefix.SUBSCRIPTION, repair.make_lanes()), mended=True),
        Found(Kind.STUCK_LEASE, _public(Prefix.DELIVERY, repair.free_stuck()), mended=True),
        Found(Kind.ORPHAN, _public(Prefix.DELIVERY, repair.cancel_orphans()), mended=True),
        Found(Kind.OLD_TEST, _public(Prefix.DELIVERY, repair.cancel_old_tests()), mended=True),
        Found(Kind.MISSING_PARTITION, stray_rows(), mended=False),
        Found(Kind.UNBURIED, _public(Prefix.DEAD_LETTER, _sliced(state, _bury)[0]), mended=True),
        Found(Kind.GROUP_COUNT, [str(g) for g in _sliced(state, recount_groups)[0]], mended=True),
        Found(Kind.BROKEN_PROMISE, _broken_promises(state), mended=False),
        Found(Kind.UNACCOUNTED, _unaccounted(state, now), mended=False),
    ]
    found = [one for one in found if one.subjects]
    state["report"] = after_run(state.get("report", []), found, now)
    jobs.remember(JOB, state)
    return found


def _unaccounted(state: dict[str, Any], now: datetime) -> list[str]:
    """The lanes whose ledger and deliveries differ; what was seen last if it is too soon.

    It reads all that is owed, so runs are spaced by what they cost.
    """
    last = state.get("counted")
    if last and now - datetime.fromisoformat(last["at"]) < timedelta(seconds=due_after(last["s"])):
        kept: list[str] = last["lanes"]
        return kept
    began = time.perf_counter()
    lanes = _public(Prefix.SUBSCRIPTION, [row.subscription for row in statements.rows(UNACCOUNTED)])
    state["counted"] = {"at": now.isoformat(), "s": time.perf_counter() - began, "lanes": lanes}
    return lanes


def _broken_promises(state: dict[str, Any]) -> list[str]:
    """Events without their deliveries: those of this round so far, and of the round before.

    So one that nobody mends stands all the time, and one that somebody mended for a round.
    """
    wrong, ended = _sliced(state, repair.broken_promises)
    this: list[str] = [*state.get("this_round", []), *_public(Prefix.EVENT, wrong)]
    before: list[str] = state.get("last_round", [])
    this = this[:KEPT]
    state["this_round"], state["last_round"] = ([], this) if ended else (this, before)
    return list(dict.fromkeys([*before, *this]))


def _bury(after: UUID) -> tuple[list[UUID], UUID | None]:
    deaths = repair.deaths_after(after)
    return bury_forgotten(deaths), deaths[-1].delivery if deaths else None


Look = Callable[[UUID], tuple[list[UUID], UUID | None]]


def _sliced(state: dict[str, Any], look: Look) -> tuple[list[UUID], bool]:
    """What was wrong in the slices after the last one, and whether the end was reached.

    After the end it starts again, with the next run.
    """
    name, wrong, ends = f"after_{look.__name__}", [], time.monotonic() + BUDGET
    at: UUID | None = UUID(state.pop(name, str(START)))
    while at is not None and time.monotonic() < ends:
        found, at = look(at)
        wrong += found
    if at is not None:
        state[name] = str(at)
    return wrong, at is None


def _public(prefix: Prefix, found: Sequence[UUID]) -> list[str]:
    return [ids.encode(prefix, one) for one in found]
