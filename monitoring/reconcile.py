"""The reconciler: recounts a slice at a time, mends what is safe to mend, and says what it saw.

A run looks at the whole of what stays small and, for a moment, at the next slices of what grows, so
it costs the same however much is stored. Its report stands in its job's row, where the findings
take it from. docs/runbook.md says what each kind means and asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from dlq.repair import bury_forgotten, deathless, recount_groups, replayed_twice
from events import jobs, recount, repair, statements
from events.engine.retention import stray_rows
from events.recount import Wrong
from events.rules import ids
from events.rules.ids import Prefix
from monitoring.depth import due_after
from monitoring.models import Kind
from monitoring.report import JOB, Found, after_run

T = TypeVar("T")
Slice = tuple[list[tuple[Kind, str]], UUID | None]
"""What is wrong in a slice, of which kind, and the id that the next slice goes on after."""

START = UUID(int=0)

BUDGET = 0.2
"""Seconds that a run goes on with one kind of slice: about 10,000 rows, so that it keeps up."""

KEPT = 100
"""Finds of a round that are named; manage.py audit finds all of them."""

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
        Found(Kind.STUCK_FAN_OUT, _public(Prefix.EVENT, recount.stuck_fan_outs()), mended=False),
        Found(Kind.STUCK_PROBE, _public(Prefix.SUBSCRIPTION, recount.stuck_probes()), mended=False),
        *_looked(state),
        *_unaccounted(state, now),
    ]
    found = [one for one in found if one.subjects]
    state["report"] = after_run(state.get("report", []), found, now)
    jobs.remember(JOB, state)
    return found


def _unaccounted(state: dict[str, Any], now: datetime) -> list[Found]:
    """The lanes and tenants whose ledger and deliveries differ; the last look's if it is too soon.

    It reads all that is owed, so runs are spaced by what they cost.
    """
    last = state.get("counted")
    if not last or now - datetime.fromisoformat(last["at"]) >= timedelta(
        seconds=due_after(last["s"])
    ):
        began = time.perf_counter()
        lanes = [row.subscription for row in statements.rows(UNACCOUNTED)]
        state["counted"] = last = {
            "at": now.isoformat(),
            "lanes": _public(Prefix.SUBSCRIPTION, lanes),
            # Where a lane differs its tenant does, too.
            "tenants": [] if lanes else recount.wrong_tenants(),
            "s": time.perf_counter() - began,
        }
    return [
        Found(Kind.UNACCOUNTED, last["lanes"], mended=False),
        Found(Kind.TENANT_LEDGER, last["tenants"], mended=False),
    ]


def _broken_promises(after: UUID) -> Slice:
    return _one_kind(Kind.BROKEN_PROMISE, Prefix.EVENT, repair.broken_promises(after))


def _ended(after: UUID) -> Slice:
    return _one_kind(Kind.LEDGER_ENDED, Prefix.SUBSCRIPTION, recount.ended_after(after))


def _deathless(after: UUID) -> Slice:
    return _one_kind(Kind.DEATHLESS, Prefix.DEAD_LETTER, deathless(after))


def _replayed_twice(after: UUID) -> Slice:
    return _one_kind(Kind.REPLAYED_TWICE, Prefix.REPLAY, replayed_twice(after))


def _owed(after: UUID) -> Slice:
    return _of_deliveries(recount.owed_after(after))


def _finished(after: UUID) -> Slice:
    return _of_deliveries(recount.finished_after(after))


def _one_kind(kind: Kind, prefix: Prefix, seen: tuple[list[UUID], UUID | None]) -> Slice:
    return [(kind, name) for name in _public(prefix, seen[0])], seen[1]


def _of_deliveries(seen: tuple[list[tuple[Wrong, UUID]], UUID | None]) -> Slice:
    return [(KINDS[wrong], ids.encode(Prefix.DELIVERY, one)) for wrong, one in seen[0]], seen[1]


LOOKS = (_broken_promises, _ended, _owed, _finished, _deathless, _replayed_twice)
"""What nobody but a person can mend, in what grows."""

KINDS = {
    Wrong.EVENTLESS: Kind.EVENTLESS,
    Wrong.ENDED: Kind.OWED_AND_FINISHED,
    Wrong.MISCOUNTED: Kind.ATTEMPT_COUNT,
}


def _looked(state: dict[str, Any]) -> list[Found]:
    """What the looks found; two of them may find the same kind."""
    found: dict[str, dict[str, None]] = {}
    for look in LOOKS:
        for kind, subject in _rounds(state, look):
            found.setdefault(kind, {})[subject] = None
    return [Found(Kind(kind), list(subjects), mended=False) for kind, subjects in found.items()]


def _rounds(state: dict[str, Any], look: Callable[[UUID], Slice]) -> list[tuple[str, str]]:
    """What a look found in this round so far, and in the round before.

    So what nobody mends stands all the time, and what somebody mended for a round.
    """
    wrong, ended = _sliced(state, look)
    name = look.__name__
    this = [*state.get(f"this{name}", []), *wrong][:KEPT]
    before = state.get(f"last{name}", [])
    state[f"this{name}"], state[f"last{name}"] = ([], this) if ended else (this, before)
    return [*before, *this]


def _bury(after: UUID) -> tuple[list[UUID], UUID | None]:
    deaths = repair.deaths_after(after)
    return bury_forgotten(deaths), deaths[-1].delivery if deaths else None


def _sliced(
    state: dict[str, Any], look: Callable[[UUID], tuple[list[T], UUID | None]]
) -> tuple[list[T], bool]:
    """What was wrong in the slices after the last one, and whether the end was reached.

    After the end it starts again, with the next run.
    """
    name, ends = f"after_{look.__name__}", time.monotonic() + BUDGET
    wrong: list[T] = []
    at: UUID | None = UUID(state.pop(name, str(START)))
    while at is not None and time.monotonic() < ends:
        found, at = look(at)
        wrong += found
    if at is not None:
        state[name] = str(at)
    return wrong, at is None


def _public(prefix: Prefix, found: Sequence[UUID]) -> list[str]:
    return [ids.encode(prefix, one) for one in found]
