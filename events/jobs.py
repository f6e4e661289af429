"""Periodic jobs: which are due, started by exactly one of many dispatchers, and what each keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from events import statements
from events.models import Job

# Whoever moves the row starts the job: Postgres's clock and row lock elect, for each period.
START = """
INSERT INTO events_job AS job (name, started_at, state)
SELECT j.name, now(), '{}' FROM unnest(%(names)s::text[], %(every)s::float8[]) AS j(name, every)
WHERE NOT EXISTS (
    SELECT FROM events_job AS known WHERE known.name = j.name
      AND known.started_at + make_interval(secs => j.every) > now())
ORDER BY j.name
ON CONFLICT (name) DO UPDATE SET started_at = now()
WHERE job.started_at < now() - interval '10 milliseconds'
RETURNING name
"""


def start_due(every: Mapping[str, float]) -> list[str]:
    """The jobs that this caller has to run now; `every` gives the seconds between two starts."""
    values = {"names": list(every), "every": list(every.values())}
    return [row.name for row in statements.rows(START, values, prepare=True)]


def state_of(name: str) -> dict[str, Any]:
    """What the job kept; empty before its first run."""
    row = Job.objects.filter(name=name).first()
    return {} if row is None else row.state


def remember(name: str, state: Mapping[str, Any]) -> None:
    """Keeps something for the job's next run, wherever that is."""
    Job.objects.filter(name=name).update(state=dict(state))
