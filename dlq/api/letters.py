"""Dead letters over REST: search, groups, replay or discard one."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self
from uuid import UUID

import msgspec
from django.db.models import Q
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from dlq.amend import send_amended
from dlq.api.replays import ReplayShown
from dlq.models import DeadLetter, LetterState, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria, narrowed
from dlq.settle import discard
from events.api.callers import MANAGE, READ, Request
from events.api.inputs import (
    Body,
    DeadLetterId,
    DeliveryId,
    EventId,
    Moment,
    Pattern,
    ReplayId,
    SubscriptionId,
)
from events.api.pages import Page, Paging, bad_cursor, cursor_of, equal, place_of, rows_of
from events.api.refusals import Refused
from events.keys import Caller
from events.models import Subscription
from events.operate import WrongState
from events.problems import Code, Problem

router = Router()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class LetterShown(BaseModel):
    """A delivery that ended in `dead`; `group` holds those that failed alike."""

    id: DeadLetterId
    delivery: DeliveryId
    event: EventId
    event_type: str
    subscription: SubscriptionId
    tenant: str | None
    group: UUID
    state: str = Field(description="open, replayed or discarded.")
    attempts: int
    status: int | None
    error: str
    reason: str
    died_at: datetime
    settled_at: datetime | None
    settled_by: str
    replay: ReplayId | None

    @classmethod
    def of(cls, row: DeadLetter) -> Self:
        other: dict[str, Any] = {"delivery": row.id, "tenant": row.owner, "group": row.signature_id}
        same = cls.model_fields.keys() - other.keys()
        return cls(**{name: getattr(row, name) for name in same}, **other)


class GroupShown(BaseModel):
    """Dead letters of one subscription that failed alike."""

    id: UUID
    subscription: SubscriptionId
    tenant: str | None
    outcome: str
    status: int | None
    words: str = Field(description="The answer, with what varies replaced by #.")
    error: str = Field(description="Of the first one.")
    first_at: datetime
    last_at: datetime
    total: int
    open: int

    @classmethod
    def of(cls, row: Signature) -> Self:
        same = cls.model_fields.keys() - {"tenant"}
        return cls(**{name: getattr(row, name) for name in same}, tenant=row.owner)


class LetterFilters(Paging):
    state: Literal["open", "replayed", "discarded"] = "open"
    group: UUID | None = None
    subscription: SubscriptionId | None = None
    type: Pattern | None = Field(default=None, description="An event type, or a pattern of them.")
    since: Moment | None = Field(default=None, description="Died at this moment or after it.")
    before: Moment | None = Field(default=None, description="Died before this moment.")


class GroupFilters(Paging):
    subscription: SubscriptionId | None = None


@router.get("/dead-letters", auth=READ, response=Page[LetterShown])
def list_dead_letters(request: Request, filters: Query[LetterFilters]) -> Page[LetterShown]:
    """Dead letters, the newest delivery first; the open ones unless asked otherwise."""
    criteria = Criteria(
        group=filters.group,
        subscription=filters.subscription,
        type=filters.type,
        tenant=request.auth.tenant,
        since=filters.since,
        before=filters.before,
    )
    found = narrowed(DeadLetter.objects.filter(state=filters.state), criteria)
    rows, following = rows_of(request, filters, found)
    return Page[LetterShown](data=[LetterShown.of(row) for row in rows], next_cursor=following)


@router.get("/dead-letters/groups", auth=READ, response=Page[GroupShown])
def list_dead_letter_groups(request: Request, filters: Query[GroupFilters]) -> Page[GroupShown]:
    """Groups with open dead letters, the one that grew last first."""
    found = Signature.objects.with_open().seen_by(request.auth.tenant)
    found = found.filter(equal(subscription=filters.subscription))
    place = place_of(request, filters)
    if place is not None:
        found = found.filter(_after(place))
    rows = list(found[: filters.limit + 1])
    following = None
    if len(rows) > filters.limit:
        rows.pop()
        following = cursor_of(request, filters, _place(rows[-1]))
    return Page[GroupShown](data=[GroupShown.of(row) for row in rows], next_cursor=following)


@router.get("/dead-letters/{letter_id}", auth=READ, response=LetterShown)
def read_dead_letter(request: Request, letter_id: DeadLetterId) -> LetterShown:
    """One dead letter; its attempts are those of its delivery."""
    return LetterShown.of(_seen(request.auth, letter_id))


@router.post("/dead-letters/{letter_id}/replay", auth=MANAGE, response={202: ReplayShown})
def replay_dead_letter(request: Request, letter_id: DeadLetterId) -> Status[ReplayShown]:
    """Owes its event to its subscription once more; 409 if it is settled already.

    A double click is harmless: of two replays one finds the letter open, the other makes nothing.
    """
    row = _seen(request.auth, letter_id)
    if row.state != LetterState.OPEN:
        raise WrongState(f"It is {row.state} already.")
    order = Order(
        source=ReplaySource.DEAD_LETTERS,
        criteria=Criteria(ids=(row.id,), tenant=row.owner),
        token=secrets.token_urlsafe(),
    )
    return Status(202, ReplayShown.of(start(order, actor=request.auth.actor)))


class Amendment(Body):
    """The event's data as it should have been: `data`, or `data_base64` for what is no JSON."""

    data: Any = None
    data_base64: str | None = None
    target: SubscriptionId | None = Field(default=None, description="By default where it failed.")
    keep_open: bool = Field(default=False, description="Leave the dead letter on the list.")


class AmendedShown(BaseModel):
    """The new event, and its one delivery."""

    event: EventId
    delivery: DeliveryId


@router.post("/dead-letters/{letter_id}/amend", auth=MANAGE, response={202: AmendedShown})
def amend_dead_letter(
    request: Request, letter_id: DeadLetterId, body: Amendment
) -> Status[AmendedShown]:
    """Owes a new event with other data to one subscription, and settles the letter.

    The new event has an id of its own and names the first one in the extension `redriveamends`.
    """
    row = _seen(request.auth, letter_id)
    if body.target is not None:
        mine = Subscription.objects.seen_by(request.auth.tenant).filter(id=body.target)
        if not mine.exists():
            detail = "There is no such subscription."
            raise Refused(Problem(Code.INVALID_FIELD, detail, pointer="/target"))
    made = send_amended(
        row.id, _data(body), to=body.target, keep=body.keep_open, actor=request.auth.actor
    )
    return Status(202, AmendedShown(event=made.event, delivery=made.delivery))


def _data(body: Amendment) -> bytes:
    if body.data_base64 is None:
        return msgspec.json.encode(body.data)
    try:
        return base64.b64decode(body.data_base64, validate=True)
    except ValueError:
        problem = Problem(Code.INVALID_FIELD, "It is not base64.", pointer="/data_base64")
        raise Refused(problem) from None


@router.post("/dead-letters/{letter_id}/discard", auth=MANAGE, response=LetterShown)
def discard_dead_letter(request: Request, letter_id: DeadLetterId) -> LetterShown:
    """Takes it off the list; its delivery stays dead. 409 if it is settled already."""
    row = _seen(request.auth, letter_id)
    if not discard(Criteria(ids=(row.id,)), actor=request.auth.actor).count:
        raise WrongState(f"It is {_seen(request.auth, letter_id).state} already.")
    return LetterShown.of(_seen(request.auth, letter_id))


def _seen(caller: Caller, letter: UUID) -> DeadLetter:
    """Raises DeadLetter.DoesNotExist for what the caller may not see."""
    return DeadLetter.objects.seen_by(caller.tenant).get(id=letter)


def _place(row: Signature) -> bytes:
    """Groups are in the order of their last death, and of their ids among equals."""
    return ((row.last_at - _EPOCH) // _MICROSECOND).to_bytes(8, "big") + row.id.bytes


def _after(place: bytes) -> Q:
    if len(place) != 24:
        raise Refused(bad_cursor())
    last_at = _EPOCH + int.from_bytes(place[:8], "big") * _MICROSECOND
    return Q(last_at__lt=last_at) | Q(last_at=last_at, id__gt=UUID(bytes=place[8:]))
