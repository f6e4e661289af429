"""The state of the system over REST."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from ninja import Router
from pydantic import BaseModel, Field

from events.api.callers import READ, Request
from events.models import LoadLevel
from monitoring.health import State
from monitoring.status import status

router = Router(tags=["status"])


class DepthShown(BaseModel):
    pending: int = Field(description="Due, or waiting for their time.")
    in_flight: int
    parked: int = Field(description="Behind an open breaker, a pause or a disabled subscription.")
    oldest_due: datetime | None = Field(description="When the longest waiting one fell due.")


class LedgerShown(BaseModel):
    """created = delivered + dead + cancelled + owed, always."""

    created: int
    delivered: int
    dead: int
    cancelled: int
    owed: int
    unaccounted: int = Field(description="Not 0 means that something was lost.")


class LoadShown(BaseModel):
    level: str = Field(description="normal, busy or overloaded.")
    since: datetime | None = Field(description="Null where no dispatcher has measured it lately.")
    reasons: list[str]
    steps: list[str] = Field(description="What is given up at this load, in words.")
    disk_full: bool = Field(description="Every publish is refused.")


class HealthShown(BaseModel):
    name: str = Field(
        description="web, worker, dispatcher, postgres, redis, broker, producers or endpoints."
    )
    state: State
    reason: str = Field(description="Empty for what is healthy.")
    since: datetime | None = Field(description="Null where that is not known.")


class StatusShown(BaseModel):
    """A tenant's key sees its own depth, ledger, dead letters, producers and endpoints."""

    at: datetime
    depth: DepthShown
    ledger: LedgerShown
    dead_letters: int = Field(description="Open ones.")
    fan_outs: int = Field(description="Events whose deliveries a worker has yet to make.")
    processes: dict[str, int] = Field(description="Alive, by role.")
    dispatcher_alone: bool = Field(description="The broker is away: a dispatcher delivers.")
    load: LoadShown
    health: list[HealthShown] = Field(
        description="Of each; the servers as a dispatcher saw them, every 5 seconds."
    )


@router.get("/status", auth=READ, response=StatusShown)
def read_status(request: Request) -> StatusShown:
    """Depth and ledger of the moment `at`, processes and load of now.

    Without a tenant `at` is that of the newest sample, about a second ago.
    """
    found = status(tenant=request.auth.tenant)
    counted = found.counted
    return StatusShown(
        at=counted.at,
        depth=DepthShown(**asdict(counted.depth)),
        ledger=LedgerShown(**asdict(counted.ledger), unaccounted=counted.ledger.unaccounted),
        dead_letters=found.dead_letters,
        fan_outs=found.fan_outs,
        processes=dict(found.processes),
        dispatcher_alone=found.alone,
        load=_load(found.load),
        health=[HealthShown(**asdict(one)) for one in found.health],
    )


def _load(level: LoadLevel) -> LoadShown:
    return LoadShown(
        level=level.level,
        since=level.since if level.measures else None,
        reasons=level.reasons,
        steps=[str(step) for step in level.steps],
        disk_full=level.disk_full,
    )
