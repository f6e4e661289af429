"""Bulk retry and cancel over REST: a dry run or a job, and how far the job is."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from ninja import Header, Query, Router, Status
from pydantic import BaseModel, Field

from events import bulk
from events.api.callers import MANAGE, READ, Request
from events.api.inputs import (
    Body,
    BulkId,
    DeliveryId,
    EventId,
    Moment,
    Pattern,
    ReplayId,
    SubscriptionId,
    Text,
)
from events.api.pages import Page, Paging, equal, rows_of
from events.api.refusals import Refused
from events.bulk import Order, Plan
from events.choose import Criteria
from events.keys import Caller
from events.models import BulkJob
from events.models.bulk import BulkVerb
from events.operate import WrongState
from events.problems import Code, Problem
from events.rules import ids
from events.rules.ids import Prefix

router = Router(tags=["deliveries"])

MOST_IDS = 1_000


class OwedCriteria(Body):
    """Which owed deliveries; what has ended is never among them."""

    ids: list[DeliveryId] | None = Field(default=None, min_length=1, max_length=MOST_IDS)
    state: Literal["pending", "in_flight"] | None = None
    subscription: SubscriptionId | None = None
    event: EventId | None = None
    type: Pattern | None = Field(default=None, description="An event type, or a pattern of them.")
    status: int | None = Field(
        default=None, ge=100, le=999, description="Status of the last answer."
    )
    error: Text | None = Field(default=None, description="A part of the last error.")
    tenant: Text | None = None
    replay: ReplayId | None = None
    since: Moment | None = Field(default=None, description="Owed since this moment or later.")
    before: Moment | None = Field(
        default=None, description="Owed since before this moment; by default before the order."
    )


class BulkOrder(Body):
    criteria: OwedCriteria = OwedCriteria()
    dry_run: bool = Field(default=False, description="Only counts.")


class BulkPlanShown(BaseModel):
    """What a job would do now; nothing was written."""

    dry_run: Literal[True] = True
    total: int
    left: int = Field(description="They match, but are due already or in flight.")
    by_subscription: dict[str, int]

    @classmethod
    def of(cls, found: Plan) -> Self:
        shares = found.by_subscription.items()
        public = {ids.encode(Prefix.SUBSCRIPTION, to): n for to, n in shares}
        return cls(total=found.total, left=found.left, by_subscription=public)


class BulkShown(BaseModel):
    """`total` was counted at the start; `acted` is how many were retried or cancelled."""

    id: BulkId
    verb: str = Field(description="retry or cancel.")
    criteria: dict[str, Any]
    tenant: str | None
    state: str = Field(description="running, done or cancelled.")
    total: int
    acted: int
    created_by: str
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: BulkJob) -> Self:
        same = cls.model_fields.keys() - {"criteria"}
        kept = OwedCriteria.model_construct(**_plain(row)).model_dump(mode="json")
        shown = {name: value for name, value in kept.items() if value is not None}
        return cls(**{name: getattr(row, name) for name in same}, criteria=shown)


class BulkFilters(Paging):
    state: Literal["running", "done", "cancelled"] | None = None


Token = Annotated[
    str | None,
    Header(None, alias="Idempotency-Key", pattern=r"^[!-~ ]{1,255}$", description="One job."),
]
ANSWERS: Any = {200: BulkPlanShown, 202: BulkShown}


@router.post("/deliveries/retry", auth=MANAGE, response=ANSWERS)
def retry_deliveries(request: Request, body: BulkOrder, token: Token) -> Status[Any]:
    """Makes what waits for a later try due now, in a job of its own.

    What is owed after the answer does not join. With an Idempotency-Key, a repeat gives the job
    that the first one made.
    """
    return _ordered(request.auth, BulkVerb.RETRY, body, token)


@router.post("/deliveries/cancel", auth=MANAGE, response=ANSWERS)
def cancel_deliveries(request: Request, body: BulkOrder, token: Token) -> Status[Any]:
    """Ends owed deliveries without a further attempt, in a job of its own.

    What is owed after the answer does not join. With an Idempotency-Key, a repeat gives the job
    that the first one made.
    """
    return _ordered(request.auth, BulkVerb.CANCEL, body, token)


@router.get("/bulk", auth=READ, response=Page[BulkShown])
def list_bulk_jobs(request: Request, filters: Query[BulkFilters]) -> Page[BulkShown]:
    """Bulk retries and cancels, newest first."""
    found = BulkJob.objects.seen_by(request.auth.tenant).filter(equal(state=filters.state))
    rows, following = rows_of(request, filters, found)
    return Page[BulkShown](data=[BulkShown.of(row) for row in rows], next_cursor=following)


@router.get("/bulk/{bulk_id}", auth=READ, response=BulkShown)
def read_bulk_job(request: Request, bulk_id: BulkId) -> BulkShown:
    """One bulk job, and how far it is."""
    return BulkShown.of(_seen(request.auth, bulk_id))


@router.post("/bulk/{bulk_id}/cancel", auth=MANAGE, response=BulkShown)
def cancel_bulk_job(request: Request, bulk_id: BulkId) -> BulkShown:
    """Stops it; what it did stays done. 409 if it is not running."""
    row = _seen(request.auth, bulk_id)
    if not bulk.cancel(row.id, actor=request.auth.actor):
        raise WrongState("It is not running any more.")
    return BulkShown.of(_seen(request.auth, bulk_id))


def _ordered(caller: Caller, verb: BulkVerb, body: BulkOrder, key: str | None) -> Status[Any]:
    values = dict(body.criteria)
    values["ids"] = None if values["ids"] is None else tuple(values["ids"])
    order = Order(verb, Criteria(**values, owner=caller.tenant), _token(caller, key))
    if body.dry_run:
        return Status(200, BulkPlanShown.of(bulk.plan(order.verb, order.criteria)))
    row = bulk.start(order, actor=caller.actor)
    if not _same(order, row):
        detail = f"This Idempotency-Key was used for another job, {row.public_id}."
        raise Refused(Problem(Code.IDENTITY_CONFLICT, detail))
    return Status(202, BulkShown.of(row))


def _token(caller: Caller, key: str | None) -> str:
    """A key counts among those of its caller: another's must not find this job."""
    if key is None:
        return secrets.token_urlsafe()
    return hashlib.sha256(f"bulk\0{caller.id}\0{key.strip()}".encode()).hexdigest()


def _same(order: Order, row: BulkJob) -> bool:
    """Whether the row is what was ordered; `before` was filled in where it was left out."""
    kept = Criteria.from_json(row.criteria)
    if order.criteria.before is None:
        kept = replace(kept, before=None)
    return (order.verb, order.criteria) == (row.verb, kept)


def _seen(caller: Caller, wanted: UUID) -> BulkJob:
    """Raises BulkJob.DoesNotExist for what the caller may not see."""
    return BulkJob.objects.seen_by(caller.tenant).get(id=wanted)


def _plain(row: BulkJob) -> dict[str, Any]:
    """The criteria as they were ordered; whose they are is the row's tenant."""
    kept = Criteria.from_json(row.criteria)
    values = {name: getattr(kept, name) for name in OwedCriteria.model_fields}
    return values | {"ids": None if kept.ids is None else list(kept.ids)}
