"""Replays over REST: order one (or count what it would do), follow it, cancel it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from django.db.models import Count
from ninja import Header, Query, Router, Status
from pydantic import BaseModel, Field

from dlq import replay
from dlq.models import Replay
from dlq.models.replay import ReplaySource
from dlq.plan import Order, Plan, plan
from dlq.select import Criteria
from events.api.callers import MANAGE, READ, Request
from events.api.inputs import Body, Moment, Pattern, ReplayId, SubscriptionId, Text
from events.api.pages import Page, Paging, equal, rows_of
from events.api.refusals import Refused
from events.keys import Caller
from events.models import Delivery, Subscription
from events.operate import WrongState
from events.problems import Code, Problem
from events.rules import ids
from events.rules.ids import Prefix

router = Router()

MOST_IDS = 1_000
KINDS = {ReplaySource.DEAD_LETTERS: Prefix.DEAD_LETTER, ReplaySource.EVENTS: Prefix.EVENT}


class CriteriaShown(Body):
    """Which dead letters, or which events; what is left out does not narrow."""

    ids: list[str] | None = Field(
        default=None, max_length=MOST_IDS, description="`dlq_…` or `evt_…`."
    )
    group: str | None = Field(default=None, description="Of dead letters.")
    subscription: SubscriptionId | None = Field(
        default=None, description="Where dead letters failed."
    )
    replay: ReplayId | None = Field(default=None, description="What this replay made and died.")
    type: Pattern | None = Field(default=None, description="An event type, or a pattern of them.")
    tenant: Text | None = None
    since: Moment | None = Field(
        default=None, description="Died, or received, at this moment or later."
    )
    before: Moment | None = Field(
        default=None, description="Before this moment; by default before now."
    )


class ReplayOrder(Body):
    """Events need a `target`, and `since` or `ids`."""

    source: Literal["dead_letters", "events"]
    criteria: CriteriaShown = CriteriaShown()
    target: SubscriptionId | None = Field(default=None, description="By default where they failed.")
    rate: float | None = Field(default=None, gt=0, le=100_000, description="Deliveries a second.")
    fresh: bool = Field(default=False, description="Gives receivers new webhook-ids.")
    again: bool = Field(default=False, description="Also what its endpoint was delivered already.")
    dry_run: bool = Field(default=False, description="Only counts.")


class RateGiven(Body):
    rate: float | None = Field(gt=0, le=100_000, description="Deliveries a second; null: no limit.")


class ReplayShown(BaseModel):
    """`total` was counted at the start; `skipped` had lost its event or its subscription."""

    id: ReplayId
    source: str
    criteria: dict[str, Any]
    target: SubscriptionId | None
    tenant: str | None
    rate: float | None
    fresh: bool
    again: bool
    state: str = Field(description="running, done or cancelled.")
    total: int
    made: int
    skipped: int
    created_by: str
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Replay) -> Self:
        return cls(**_plain(row))


class WholeReplay(ReplayShown):
    outcomes: dict[str, int] = Field(description="The deliveries it made, by their state.")


class PlanShown(BaseModel):
    """What a replay would do now; nothing was written."""

    dry_run: Literal[True] = True
    total: int
    delivered: int = Field(description="Left out: their endpoint was delivered them already.")
    gone: int = Field(description="Left out: their subscription was deleted.")
    by_subscription: dict[str, int]
    sample: list[str] = Field(description="Some of the dead letters or events.")

    @classmethod
    def of(cls, found: Plan) -> Self:
        shares = found.by_subscription.items()
        return cls(
            total=found.total,
            delivered=found.delivered,
            gone=found.gone,
            by_subscription={ids.encode(Prefix.SUBSCRIPTION, to): n for to, n in shares},
            sample=[row.public_id for row in found.sample],
        )


class ReplayFilters(Paging):
    state: Literal["running", "done", "cancelled"] | None = None


Token = Annotated[
    str | None,
    Header(None, alias="Idempotency-Key", pattern=r"^[!-~ ]{1,255}$", description="One replay."),
]


@router.post("/replays", auth=MANAGE, response={200: PlanShown, 202: ReplayShown})
def start_replay(request: Request, body: ReplayOrder, token: Token) -> Status[Any]:
    """Makes new deliveries of dead letters, or of a slice of the event log, at a rate.

    What dies or arrives after the answer does not join. With an Idempotency-Key, a repeat gives
    the replay that the first one made.
    """
    order = _order(request.auth, body, token)
    if body.dry_run:
        found = plan(order)
        return Status(200, PlanShown.of(found))
    row = replay.start(order, actor=request.auth.actor)
    if not _same(order, row):
        detail = f"This Idempotency-Key was used for another replay, {row.public_id}."
        raise Refused(Problem(Code.IDENTITY_CONFLICT, detail))
    return Status(202, ReplayShown.of(row))


@router.get("/replays", auth=READ, response=Page[ReplayShown])
def list_replays(request: Request, filters: Query[ReplayFilters]) -> Page[ReplayShown]:
    """Replays, newest first."""
    found = Replay.objects.seen_by(request.auth.tenant).filter(equal(state=filters.state))
    rows, following = rows_of(request, filters, found)
    return Page[ReplayShown](data=[ReplayShown.of(row) for row in rows], next_cursor=following)


@router.get("/replays/{replay_id}", auth=READ, response=WholeReplay)
def read_replay(request: Request, replay_id: ReplayId) -> WholeReplay:
    """One replay: how far it is, and what came of its deliveries."""
    return _whole(request.auth, replay_id)


@router.post("/replays/{replay_id}/cancel", auth=MANAGE, response=WholeReplay)
def cancel_replay(request: Request, replay_id: ReplayId) -> WholeReplay:
    """Stops it; what it made stays owed. 409 if it is not running."""
    row = _seen(request.auth, replay_id)
    if not replay.cancel(row.id, actor=request.auth.actor):
        raise WrongState("It is not running any more.")
    return _whole(request.auth, replay_id)


@router.post("/replays/{replay_id}/rate", auth=MANAGE, response=WholeReplay)
def change_rate(request: Request, replay_id: ReplayId, body: RateGiven) -> WholeReplay:
    """Changes how fast a running replay goes. 409 if it is not running."""
    row = _seen(request.auth, replay_id)
    if not replay.set_rate(row.id, rate=body.rate, actor=request.auth.actor):
        raise WrongState("It is not running any more.")
    return _whole(request.auth, replay_id)


def _order(caller: Caller, body: ReplayOrder, token: str | None) -> Order:
    source = ReplaySource(body.source)
    target = _target(caller, body.target)
    criteria = _criteria(source, body.criteria)
    _require_bounds(source, criteria, target)
    return Order(
        source=source,
        criteria=replace(criteria, tenant=_tenant(caller, criteria.tenant, target)),
        token=_token(caller, token),
        target=None if target is None else target.id,
        rate=body.rate,
        fresh=body.fresh,
        again=body.again,
    )


def _criteria(source: ReplaySource, wanted: CriteriaShown) -> Criteria:
    values = dict(wanted)
    if wanted.ids is not None:
        found = [ids.decode(KINDS[source], text) for text in wanted.ids]
        if None in found:
            where = f"/criteria/ids/{found.index(None)}"
            raise _refused(where, f"Write an id that begins with {KINDS[source]}_.")
        values["ids"] = tuple(found)
    if wanted.group is not None:
        values["group"] = _uuid(wanted.group)
    return Criteria(**values)


def _require_bounds(source: ReplaySource, criteria: Criteria, target: Subscription | None) -> None:
    if source is ReplaySource.DEAD_LETTERS:
        return
    for name in ("group", "subscription", "replay"):
        if getattr(criteria, name) is not None:
            raise _refused(f"/criteria/{name}", "It narrows dead letters, not events.")
    if target is None:
        detail = "Events need a subscription to be sent to."
        raise Refused(Problem(Code.MISSING_FIELD, detail, pointer="/target"))
    if criteria.ids is None and criteria.since is None:
        detail = "Say from when on, or which ids: the log holds weeks."
        raise Refused(Problem(Code.MISSING_FIELD, detail, pointer="/criteria/since"))


def _target(caller: Caller, wanted: UUID | None) -> Subscription | None:
    if wanted is None:
        return None
    found = Subscription.objects.seen_by(caller.tenant).filter(id=wanted).first()
    if found is None:
        raise _refused("/target", "There is no such subscription.")
    return found


def _tenant(caller: Caller, asked: str | None, target: Subscription | None) -> str | None:
    """A subscription of one tenant is sent that tenant's only, whoever orders it."""
    bound = caller.tenant or (target.tenant if target else None)
    if bound is not None and asked not in (None, bound):
        raise _refused("/criteria/tenant", f"Only what is of tenant {bound} can be replayed so.")
    return bound or asked


def _token(caller: Caller, key: str | None) -> str:
    """A key counts among those of its caller: another's must not find this replay."""
    if key is None:
        return secrets.token_urlsafe()
    return hashlib.sha256(f"{caller.id}\0{key.strip()}".encode()).hexdigest()


def _same(order: Order, row: Replay) -> bool:
    """Whether the row is what was ordered.

    `before` was filled in where it was left out, and the rate may have been changed since.
    """
    kept = Criteria.from_json(row.criteria)
    if order.criteria.before is None:
        kept = replace(kept, before=None)
    ordered = (order.source, order.criteria, order.target, order.fresh, order.again)
    return ordered == (row.source, kept, row.target, row.fresh, row.again)


def _seen(caller: Caller, wanted: UUID) -> Replay:
    """Raises Replay.DoesNotExist for what the caller may not see."""
    return Replay.objects.seen_by(caller.tenant).get(id=wanted)


def _whole(caller: Caller, wanted: UUID) -> WholeReplay:
    row = _seen(caller, wanted)
    made = Delivery.objects.filter(replay=row.id).values_list("state")
    return WholeReplay(**_plain(row), outcomes=dict(made.annotate(n=Count("id")).order_by()))


def _plain(row: Replay) -> dict[str, Any]:
    same = ReplayShown.model_fields.keys() - {"criteria"}
    return {name: getattr(row, name) for name in same} | {"criteria": _shown(row)}


def _shown(row: Replay) -> dict[str, Any]:
    """The criteria as they were ordered, with public ids."""
    kept, kind = Criteria.from_json(row.criteria), KINDS[ReplaySource(row.source)]
    public = {
        "ids": None if kept.ids is None else [ids.encode(kind, one) for one in kept.ids],
        "subscription": kept.subscription and ids.encode(Prefix.SUBSCRIPTION, kept.subscription),
        "replay": kept.replay and ids.encode(Prefix.REPLAY, kept.replay),
    }
    found = {name: row.criteria[name] for name in ("group", "type", "tenant", "since", "before")}
    return {name: value for name, value in (found | public).items() if value is not None}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _refused("/criteria/group", "Write the id of a group of dead letters.") from None


def _refused(pointer: str, detail: str) -> Refused:
    return Refused(Problem(Code.INVALID_FIELD, detail, pointer=pointer))
