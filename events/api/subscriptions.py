"""Subscriptions over REST: list, create, read, change, delete, explain."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpResponse
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from events import operate
from events.api.callers import MANAGE, READ, Request
from events.api.inputs import Body, DeliveryId, EventId, SubscriptionId, Text
from events.api.pages import Page, Paging, equal, rows_of
from events.api.refusals import NOT_HERE, Refused
from events.api.subscription_shown import SubscriptionMade, SubscriptionShown, plain
from events.explain import Kind, explain
from events.keys import Caller
from events.matching import facts_of
from events.models import Delivery, Event, Secret, Subscription
from events.problems import Code, Problem
from events.rules import retry
from events.subscribing import RANGES, check, check_secret, new_secret

router = Router(tags=["subscriptions"])


class SubscriptionFilters(Paging):
    state: Literal["active", "paused", "disabled"] | None = None
    tenant: Text | None = None


class _Policy(Body):
    name: str = ""
    filter: str | None = Field(default="", description="CEL, such as `data.total > 100`.")
    schedule: list[float] = Field(
        default=list(retry.DEFAULT_SCHEDULE), description="Seconds to wait after attempt 1, 2, 3 …"
    )
    timeout: float = Field(default=15.0, ge=RANGES["timeout"][0], le=RANGES["timeout"][1])
    max_concurrency: int = Field(
        default=10, ge=RANGES["max_concurrency"][0], le=RANGES["max_concurrency"][1]
    )
    rate_limit: float | None = Field(
        None,
        ge=RANGES["rate_limit"][0],
        le=RANGES["rate_limit"][1],
        description="Sends a second; null for no limit.",
    )
    adaptive: bool = Field(
        default=False, description="Finds the concurrency that the endpoint stands."
    )
    ordered: bool = Field(
        default=False, description="One at a time for each ordering_key, in order."
    )
    headers: dict[str, str | None] = Field(default={}, description="Sent along. Null removes one.")
    authentication: Literal["none", "basic", "bearer"] = "none"
    credentials: str | None = Field(
        default=None, description="`user:password`, or the bearer token."
    )
    format: Literal["binary", "structured"] = Field(
        default="binary", description="Of the CloudEvents."
    )


class NewSubscription(_Policy):
    """What a subscription is made of; only `url` and `types` are needed."""

    url: str
    types: list[str] = Field(description="Patterns: `order.paid`, `order.*`, `order.**` or `**`.")
    tenant: str | None = Field(
        default=None, description="Whose events it gets; null for everybody's."
    )
    signing: Literal["hmac", "ed25519"] = "hmac"
    secret: str | None = Field(
        default=None, description="A secret of your own, `whsec_…` or `whsk_…`."
    )


class SubscriptionChange(_Policy):
    """A merge patch (RFC 7396): what is left out stays as it is."""

    url: str = ""
    types: list[str] = []


class Subject(Body):
    """What is to be explained."""

    event_id: EventId


class Explained(BaseModel):
    """`deliveries` are those of this event that the subscription already has."""

    matches: bool
    kind: Kind
    reason: str
    deliveries: list[DeliveryId]


@router.get("/subscriptions", auth=READ, response=Page[SubscriptionShown])
def list_subscriptions(
    request: Request, filters: Query[SubscriptionFilters]
) -> Page[SubscriptionShown]:
    """Subscriptions, newest first."""
    narrowed = equal(state=filters.state, tenant=filters.tenant)
    rows, following = rows_of(request, filters, _seen(request.auth).filter(narrowed))
    shown = [SubscriptionShown.of(row) for row in rows]
    return Page[SubscriptionShown](data=shown, next_cursor=following)


@router.post("/subscriptions", auth=MANAGE, response={201: SubscriptionMade})
def create_subscription(
    request: Request, body: NewSubscription, response: HttpResponse
) -> Status[SubscriptionMade]:
    """Makes a subscription; every event published after the answer is matched against it."""
    sent = body.model_dump(exclude_unset=True, exclude={"signing", "secret"})
    fields = checked(check(sent | {"tenant": _tenant(request.auth, body.tenant)}))
    secret = secret_of(body.signing, body.secret)
    actor = request.auth.actor
    made = operate.create_subscription(actor=actor, fields=fields, secret=secret)
    response["Location"] = f"{request.path}/{made.public_id}"
    shown = plain(_seen(request.auth).get(id=made.id))
    return Status(201, SubscriptionMade(**shown, secret=secret))


@router.get("/subscriptions/{subscription_id}", auth=READ, response=SubscriptionShown)
def read_subscription(request: Request, subscription_id: SubscriptionId) -> SubscriptionShown:
    """One subscription with its breaker and its signing keys."""
    return shown_to(request.auth, subscription_id)


@router.patch("/subscriptions/{subscription_id}", auth=MANAGE, response=SubscriptionShown)
def change_subscription(
    request: Request, subscription_id: SubscriptionId, body: SubscriptionChange
) -> SubscriptionShown:
    """Changes what is given and leaves the rest; deliveries that are owed go by the new values."""
    row = Subscription.objects.seen_by(request.auth.tenant).get(id=subscription_id)
    fields = checked(check(body.model_dump(exclude_unset=True), current=row))
    operate.change_subscription(actor=request.auth.actor, subscription=row.id, fields=fields)
    return shown_to(request.auth, row.id)


@router.delete("/subscriptions/{subscription_id}", auth=MANAGE, response={204: None})
def delete_subscription(request: Request, subscription_id: SubscriptionId) -> Status[None]:
    """Removes it and cancels what it is owed; what it got stays readable."""
    mine = Subscription.objects.filter(equal(tenant=request.auth.tenant))
    row = mine.get(id=subscription_id)
    # One that was deleted before may have been left with deliveries by a kill: then this goes on.
    cancelled = operate.delete_subscription(actor=request.auth.actor, subscription=row.id)
    if row.deleted_at is not None and not cancelled:
        raise Refused(NOT_HERE)
    return Status(204, None)


@router.post("/subscriptions/{subscription_id}/explain", auth=READ, response=Explained)
def explain_subscription(
    request: Request, subscription_id: SubscriptionId, body: Subject
) -> Explained:
    """Whether it would get an event as it is now, and why."""
    tenant = request.auth.tenant
    row = Subscription.objects.seen_by(tenant).get(id=subscription_id)
    event = Event.objects.seen_by(tenant).get(id=body.event_id)
    facts = facts_of(event)  # type: ignore[arg-type]  # a stored event's data may be a memoryview
    told = explain(event, row, facts=facts)
    got = Delivery.objects.of_event(event.id).filter(subscription=row.id)
    return Explained(
        matches=told.matches,
        kind=told.kind,
        reason=told.words,
        deliveries=list(got.values_list("id", flat=True)[:100]),
    )


def shown_to(caller: Caller, subscription: UUID) -> SubscriptionShown:
    """As it is now. Raises Subscription.DoesNotExist for what the caller may not see."""
    return SubscriptionShown.of(_seen(caller).get(id=subscription))


def checked(found: dict[str, Any] | Problem) -> dict[str, Any]:
    if isinstance(found, Problem):
        raise Refused(found)
    return found


def secret_of(kind: Literal["hmac", "ed25519"], brought: str | None) -> str:
    """A new secret, or the one that was brought along if it can sign."""
    if brought is None:
        return new_secret(kind)
    problem = check_secret(brought)
    if problem is not None:
        raise Refused(problem)
    return brought


def _seen(caller: Caller) -> QuerySet[Subscription]:
    signing_now = Secret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
    keys = Prefetch("secrets", signing_now.order_by("-created_at", "-id"))
    found = Subscription.objects.seen_by(caller.tenant)
    return found.select_related("lane").prefetch_related(keys)


def _tenant(caller: Caller, asked: str | None) -> str | None:
    if caller.tenant is not None and asked not in (None, caller.tenant):
        detail = f"This key makes subscriptions of tenant {caller.tenant} only."
        raise Refused(Problem(Code.FORBIDDEN, detail, pointer="/tenant"))
    return asked if caller.tenant is None else caller.tenant
