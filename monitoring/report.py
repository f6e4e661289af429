"""The reconciler's report: what it found, kept in the row of its job for whoever shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from events import jobs
from monitoring.models import Kind

JOB = "monitoring.reconcile"

STANDS = timedelta(minutes=10)
"""For how long something that was mended is reported."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that must not be: what kind, what it is about, and whether it was mended."""

    kind: Kind
    subjects: Sequence[str]
    mended: bool


def reported() -> list[Found]:
    """What the last runs saw: what was not mended as long as it is so, the rest for a while."""
    return [
        Found(Kind(one["kind"]), one["subjects"], mended=one["mended"])
        for one in jobs.state_of(JOB).get("report", [])
    ]


def after_run(
    before: Sequence[dict[str, Any]], found: Sequence[Found], now: datetime
) -> list[dict[str, Any]]:
    """The report after a run: what it found, and what was mended not long before."""
    kinds = {one.kind for one in found}
    made = [
        {
            "kind": one.kind,
            "subjects": list(one.subjects),
            "mended": one.mended,
            "at": now.isoformat(),
        }
        for one in found
    ]
    return made + [
        one
        for one in before
        if one["mended"]
        and one["kind"] not in kinds
        and datetime.fromisoformat(one["at"]) > now - STANDS
    ]
