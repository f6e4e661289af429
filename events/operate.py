"""What a person or a key does to subscriptions and deliveries; each act is audited.

Every verb takes `actor`, who does it, and runs in one transaction. What cannot be done because
of the state that something is in raises WrongState with words for the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from events import hooks, tenants, vault
from events.audit import note
from events.finish import finish
from events.models import AuditEntry, Lane, OwedDelivery, Secret, Subscription
from events.rules import breaker as rule
from events.rules import ids
from events.rules.breaker import Breaker
from events.rules.ids import Prefix
from events.rules.states import DeliveryState, SubscriptionState
from events.uuids import new_uuid

ROTATION = timedelta(hours=24)
"""How long the old secret signs beside the new one."""

CANCEL_AT_ONCE = 1_000


Undoable = Literal["disable", "resume"]

_LEFT: Mapping[Undoable, SubscriptionState] = {
    "disable": SubscriptionState.DISABLED,
    "resume": SubscriptionState.ACTIVE,
}


class WrongState(Exception):
    """What was asked for is not possible in the state that the thing is in."""


@transaction.atomic
def create_subscription(*, actor: str, fields: Mapping[str, Any], secret: str) -> Subscription:
    """Makes a subscription from checked fields (see subscribing.check) and its signing secret."""
    row = Subscription.objects.create(id=new_uuid(), **fields)
    _set_limit(row)
    add_secret(row, secret)
    note(actor, "create", row.public_id, tenant=row.tenant, after=described(row))
    return row


@transaction.atomic
def change_subscription(
    *, actor: str, subscription: UUID, fields: Mapping[str, Any]
) -> Subscription:
    """Changes checked fields. Raises Subscription.DoesNotExist."""
    row = _held(subscription)
    before = described(row)
    for name, value in fields.items():
        setattr(row, name, value)
    row.updated_at = timezone.now()
    row.save(update_fields=[*fields, "updated_at"])
    _set_limit(row)
    if "tenant" in fields:
        tenants.weigh_lane(row)
    note(actor, "change", row.public_id, tenant=row.tenant, before=before, after=described(row))
    hooks.changed_on_commit(row.public_id)
    return row


@transaction.atomic
def pause(
    *, actor: str, subscription: UUID, reason: str = "", until: datetime | None = None
) -> Subscription:
    """Holds its deliveries back, at most until a moment; nothing that is owed is lost or spent.

    A send that a worker claimed before may still start within two seconds.
    """
    row = _held(subscription)
    if row.state == SubscriptionState.DISABLED:
        raise WrongState("It is disabled: enable it first.")
    return _set_state(row, SubscriptionState.PAUSED, actor, "pause", reason=reason, until=until)


@transaction.atomic
def resume(*, actor: str, subscription: UUID) -> Subscription:
    """Ends a pause; what waited is due as it was."""
    row = _held(subscription)
    if row.state == SubscriptionState.DISABLED:
        raise WrongState("It is disabled, not paused: enable it.")
    return _set_state(row, SubscriptionState.ACTIVE, actor, "resume")


@transaction.atomic
def enable(*, actor: str, subscription: UUID) -> Subscription:
    """Makes it active again from any state, with a clean breaker that ramps up."""
    row = _held(subscription)
    _set_breaker(row.id, rule.force_close(_breaker(row.id)))
    return _set_state(row, SubscriptionState.ACTIVE, actor, "enable")


@transaction.atomic
def disable(*, actor: str, subscription: UUID, reason: str) -> Subscription:
    """Stops deliveries until somebody enables it; what is owed is kept."""
    row = _held(subscription)
    return _set_state(row, SubscriptionState.DISABLED, actor, "disable", reason=reason)


@transaction.atomic
def undo(*, actor: str, subscription: UUID, action: Undoable, since: datetime) -> Subscription:
    """Takes a disable or a resume back: state, reason and the end of a pause are as before it.

    `since` is the state_since that it left. Raises WrongState if the state was changed since.
    """
    row = _held(subscription)
    if (row.state, row.state_since) != (_LEFT[action], since):
        raise WrongState("Its state was changed since: nothing was undone.")
    before = AuditEntry.objects.last_of(row.public_id, action).before or {}
    until = before.get("resume_at")
    return _set_state(
        row,
        SubscriptionState(before["state"]),
        actor,
        f"undo-{action}",
        reason=before["reason"],
        until=until and parse_datetime(until),
    )


def delete_subscription(*, actor: str, subscription: UUID) -> int:
    """Removes it from use and cancels what it is owed; gives how many were cancelled.

    The row stays, because finished deliveries name it. Resumable: deleting again goes on.
    """
    with transaction.atomic():
        row = Subscription.objects.select_for_update().get(id=subscription)
        if row.deleted_at is None:
            before = described(row)
            Subscription.objects.filter(id=row.id).update(deleted_at=Now())
            note(actor, "delete", row.public_id, tenant=row.tenant, before=before)
            hooks.changed_on_commit(row.public_id)
    return cancel_all(subscription, reason="the subscription was deleted")


def cancel_all(subscription: UUID, *, reason: str) -> int:
    """Cancels everything owed to a subscription, a thousand in a transaction.

    What a worker is just recording is taken one by one: who holds many rows must wait for none.
    """
    total, owed = 0, OwedDelivery.objects.filter(subscription=subscription)
    while True:
        with transaction.atomic():
            free = owed.select_for_update(skip_locked=True).values_list("id", flat=True)
            ended = finish(list(free[:CANCEL_AT_ONCE]), DeliveryState.CANCELLED, reason=reason)
        total += len(ended)
        if not ended:
            break
    for held in owed.values_list("id", flat=True):
        total += len(finish([held], DeliveryState.CANCELLED, reason=reason))
    return total


@transaction.atomic
def rotate_secret(
    *, actor: str, subscription: UUID, secret: str, overlap: timedelta = ROTATION
) -> Secret:
    """Adds a signing secret; those before it go on signing for `overlap`, then stop."""
    row = _held(subscription)
    ends = timezone.now() + overlap
    Secret.objects.filter(subscription=row, expires_at=None).update(expires_at=ends)
    made = add_secret(row, secret)
    note(actor, "rotate-secret", row.public_id, tenant=row.tenant)
    hooks.changed_on_commit(row.public_id)
    return made


def add_secret(row: Subscription, secret: str) -> Secret:
    return Secret.objects.create(id=new_uuid(), subscription=row, encrypted=vault.encrypt(secret))


@transaction.atomic
def retry(*, actor: str, delivery: UUID) -> None:
    """Makes a pending delivery due now. Raises WrongState if it is in flight or finished."""
    moved = OwedDelivery.objects.filter(id=delivery, state=DeliveryState.PENDING).update(
        due_at=Now()
    )
    if not moved:
        raise WrongState("Only a pending delivery can be retried; replay a finished one.")
    note(actor, "retry", ids.encode(Prefix.DELIVERY, delivery))
    hooks.changed_on_commit(ids.encode(Prefix.DELIVERY, delivery))


@transaction.atomic
def cancel(*, actor: str, delivery: UUID) -> None:
    """Ends an owed delivery without a further attempt. Raises WrongState if it is finished."""
    if not finish([delivery], DeliveryState.CANCELLED, reason=f"cancelled by {actor}"):
        raise WrongState("It is finished already.")
    note(actor, "cancel", ids.encode(Prefix.DELIVERY, delivery))


@transaction.atomic
def open_breaker(*, actor: str, subscription: UUID, seconds: float) -> None:
    """Parks the lane for a while; then one probe decides, as after failures."""
    row, now = _held(subscription), timezone.now()
    until = now + timedelta(seconds=seconds)
    _set_breaker(row.id, rule.force_open(_breaker(row.id), now, until))
    note(actor, "open-breaker", row.public_id, tenant=row.tenant, after={"seconds": seconds})


@transaction.atomic
def close_breaker(*, actor: str, subscription: UUID) -> None:
    """Forgets the failures and lets the lane ramp up."""
    row = _held(subscription)
    _set_breaker(row.id, rule.force_close(_breaker(row.id)))
    note(actor, "close-breaker", row.public_id, tenant=row.tenant)


def resume_what_is_due() -> int:
    """Resumes the subscriptions whose pause has run out; gives how many."""
    due = Subscription.objects.due_to_resume(timezone.now()).values_list("id", flat=True)
    for subscription in list(due):
        resume(actor="redrive", subscription=subscription)
    return len(due)


def described(row: Subscription) -> dict[str, Any]:
    """The fields that the audit log keeps: no credential and no header value."""
    return {
        "name": row.name,
        "url": row.url,
        "types": row.types,
        "filter": row.filter,
        "state": row.state,
        "reason": row.state_reason,
        "resume_at": row.resume_at and row.resume_at.isoformat(),
        "schedule": row.schedule,
        "timeout": row.timeout,
        "max_concurrency": row.max_concurrency,
        "rate_limit": row.rate_limit,
        "ordered": row.ordered,
        "headers": sorted(row.headers),
        "authentication": row.authentication,
        "format": row.format,
    }


def _held(subscription: UUID) -> Subscription:
    return Subscription.objects.existing().select_for_update().get(id=subscription)


def _set_state(
    row: Subscription,
    state: SubscriptionState,
    actor: str,
    action: str,
    *,
    reason: str = "",
    until: datetime | None = None,
) -> Subscription:
    before = described(row)
    row.state, row.state_reason, row.state_by = state, reason, actor
    row.state_since, row.resume_at = timezone.now(), until
    row.save(update_fields=["state", "state_reason", "state_by", "state_since", "resume_at"])
    note(actor, action, row.public_id, tenant=row.tenant, before=before, after=described(row))
    hooks.changed_on_commit(row.public_id)
    return row


def _set_limit(row: Subscription) -> None:
    """Adaptive concurrency starts at the cap and finds its way down."""
    limit = row.max_concurrency if row.adaptive else None
    Lane.objects.filter(pk=row.id).update(limit=limit, usual_ms=None)


def _breaker(subscription: UUID) -> Breaker:
    return Lane.objects.select_for_update().get(pk=subscription).breaker


def _set_breaker(subscription: UUID, after: Breaker) -> None:
    Lane.objects.filter(pk=subscription).update(**Lane.columns_of(after))
    hooks.changed_on_commit(ids.encode(Prefix.SUBSCRIPTION, subscription))
