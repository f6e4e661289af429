"""The reconciler: recounts a slice at a time, mends what is safe to mend, and says what it saw.

A run looks at the whole of what stays small and at the next slice of what grows, so it costs the
same however much is stored. docs/runbook.md says what each kind of finding means and asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dlq.repair import bury_forgotten, recount_groups
from events import jobs, repair, statements
from events.engine.retention import stray_rows

JOB = "monitoring.reconcile"
START = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Found:
    """Something that must not be: what kind, what it is about, and whether it was mended."""

    kind: str
    subjects: Sequence[str]
    mended: bool


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
    found = [
        Found("unaccounted", [str(row.subscription) for row in unaccounted()], mended=False),
        Found("stuck_lease", _texts(repair.free_stuck()), mended=True),
        Found("orphan", _texts(repair.cancel_orphans()), mended=True),
        Found("old_test", _texts(repair.cancel_old_tests()), mended=True),
        Found("missing_lane", _texts(repair.make_lanes()), mended=True),
        Found("missing_partition", stray_rows(), mended=False),
        _sliced(state, "broken_promise", repair.broken_promises, mended=False),
        _sliced(state, "unburied", _bury_slice, mended=True),
        _sliced(state, "group_count", recount_groups, mended=True),
    ]
    jobs.remember(JOB, state)
    return [one for one in found if one.subjects]


def unaccounted() -> list[Any]:
    """The lanes whose ledger and deliveries differ, with how many are missing."""
    return statements.rows(UNACCOUNTED)


def _bury_slice(after: UUID) -> tuple[list[UUID], UUID | None]:
    deaths = repair.deaths_after(after)
    return bury_forgotten(deaths), deaths[-1].delivery if deaths else None


def _sliced(
    state: dict[str, Any],
    kind: str,
    look: Callable[[UUID], tuple[list[UUID], UUID | None]],
    *,
    mended: bool,
) -> Found:
    """Looks at the slice after the last one; after the end it starts again."""
    wrong, end = look(UUID(state[kind]) if kind in state else START)
    if end is None:
        state.pop(kind, None)
    else:
        state[kind] = str(end)
    return Found(kind, _texts(wrong), mended=mended)


def _texts(found: Sequence[UUID]) -> list[str]:
    return [str(one) for one in found]
