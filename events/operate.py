"""What a person or a key does to subscriptions and deliveries; each act is audited.

Every verb takes `actor`, who does it, and runs in one transaction. What cannot be done because
of the state that something is in raises WrongState with words for the person. What Redrive does by
itself looks again under the row's lock: with `among` a verb raises Subscription.DoesNotExist for
one that is not among those any more, because a person was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime

from events import described, hooks, statements, tenants, vault
from events.audit import note
from events.finish import cancel_all, finish
from events.models import AuditEntry, Lane, OwedDelivery, Secret, Subscription
from events.models.subscription import REDRIVE, SubscriptionQuerySet
from events.rules import breaker as rule
from events.rules import ids
from events.rules.breaker import Breaker
from events.rules.ids import Prefix
from events.rules.states import DeliveryState, SubscriptionState
from events.uuids import new_uuid

ROTATION = timedelta(hours=24)
"""How long the old secret signs beside the new one."""

STATE = ["state", "state_reason", "state_by", "state_since", "resume_at", "probed_at"]
"""The columns that move with a subscription's state."""


Undoable = Literal["disable", "resume"]


class WrongState(Exception):
    """What was asked for is not possible in the state that the thing is in."""


@transaction.atomic
def create_subscription(*, actor: str, fields: Mapping[str, Any], secret: str) -> Subscription:
    """Makes a subscription from checked fields (see subscribing.check) and its signing secret."""
    row = Subscription.objects.create(id=new_uuid(), **fields)
    _set_limit(row)
    add_secret(row, secret)
    note(actor, "create", row.public_id, tenant=row.tenant, after=described.subscription(row))
    return row


@transaction.atomic
def change_subscription(
    *, actor: str, subscription: UUID, fields: Mapping[str, Any]
) -> Subscription:
    """Changes checked fields; another URL enables it if Redrive gave the old one up.

    Raises Subscription.DoesNotExist.
    """
    row = _held(subscription)
    before = described.subscription(row)
    given_up = row.state == SubscriptionState.DISABLED and row.state_by == REDRIVE
    moved = given_up and fields.get("url", row.url) != row.url
    for name, value in fields.items():
        setattr(row, name, value)
    if moved:
        _put(row, SubscriptionState.ACTIVE, actor, reason="its URL was changed")
    row.updated_at = _now()
    row.save(update_fields=[*fields, *STATE, "updated_at"])
    if fields.keys() & {"adaptive", "max_concurrency"}:
        _set_limit(row)
    if moved:
        _move_breaker(row, lambda _breaker, _now: rule.restart())
    if "tenant" in fields:
        tenants.weigh_lane(row)
    after = described.subscription(row)
    note(actor, "change", row.public_id, tenant=row.tenant, before=before, after=after)
    hooks.changed_on_commit(row.public_id)
    return row


@transaction.atomic
def pause(
    *,
    actor: str,
    subscription: UUID,
    reason: str = "",
    until: datetime | None = None,
    anew: bool = True,
) -> Subscription:
    """Holds its deliveries back, at most until a moment; nothing that is owed is lost or spent.

    A send that a worker claimed before may still start within two seconds. `anew` puts this pause
    in the place of one that is there; without it that raises WrongState.
    """
    row = _held(subscription)
    if row.state == SubscriptionState.DISABLED:
        raise WrongState("It is disabled: enable it first.")
    if row.state == SubscriptionState.PAUSED and not anew:
        raise WrongState(f"It is paused already, by {row.state_by}. Resume it to pause it anew.")
    return _set_state(row, SubscriptionState.PAUSED, actor, "pause", reason=reason, until=until)


@transaction.atomic
def resume(
    *, actor: str, subscription: UUID, among: SubscriptionQuerySet | None = None
) -> Subscription:
    """Ends a pause; what waited is due as it was."""
    row = _held(subscription, among)
    if row.state == SubscriptionState.DISABLED:
        raise WrongState("It is disabled, not paused: enable it.")
    return _set_state(row, SubscriptionState.ACTIVE, actor, "resume")


@transaction.atomic
def enable(
    *, actor: str, subscription: UUID, among: SubscriptionQuerySet | None = None
) -> Subscription:
    """Makes it active again from any state, with a clean breaker that ramps up."""
    row = _held(subscription, among)
    _move_breaker(row, lambda _breaker, _now: rule.restart())
    return _set_state(row, SubscriptionState.ACTIVE, actor, "enable")


@transaction.atomic
def disable(
    *, actor: str, subscription: UUID, reason: str, among: SubscriptionQuerySet | None = None
) -> Subscription:
    """Stops deliveries until somebody enables it; what is owed is kept."""
    row = _held(subscription, among)
    return _set_state(row, SubscriptionState.DISABLED, actor, "disable", reason=reason)


@transaction.atomic
def undo(*, actor: str, subscription: UUID, action: Undoable, since: datetime) -> Subscription:
    """Takes a disable or a resume back: state, reason and the end of a pause are as before it.

    `since` is the state_since that it left. Raises WrongState if the state was changed since.
    """
    row = _held(subscription)
    left = SubscriptionState.DISABLED if action == "disable" else SubscriptionState.ACTIVE
    if (row.state, row.state_since) != (left, since):
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
            before = described.subscription(row)
            Subscription.objects.filter(id=row.id).update(deleted_at=Now())
            after = {"deleted": True}
            note(actor, "delete", row.public_id, tenant=row.tenant, before=before, after=after)
            hooks.changed_on_commit(row.public_id)
    return cancel_all(subscription, reason="the subscription was deleted")


@transaction.atomic
def rotate_secret(
    *, actor: str, subscription: UUID, secret: str, overlap: timedelta = ROTATION
) -> Secret:
    """Adds a signing secret; those before it go on signing for `overlap`, then stop."""
    row = _held(subscription)
    ends, known = _now() + overlap, Secret.objects.filter(subscription=row)
    before = {"signing_keys": known.count()}
    known.filter(expires_at=None).update(expires_at=ends)
    made = add_secret(row, secret)
    after = {"signing_keys": known.count(), "others_sign_until": ends.isoformat()}
    note(actor, "rotate-secret", row.public_id, tenant=row.tenant, before=before, after=after)
    hooks.changed_on_commit(row.public_id)
    return made


def add_secret(row: Subscription, secret: str) -> Secret:
    return Secret.objects.create(id=new_uuid(), subscription=row, encrypted=vault.encrypt(secret))


@transaction.atomic
def retry(*, actor: str, delivery: UUID) -> None:
    """Makes a pending delivery due now. Raises WrongState if it is in flight or finished."""
    before = described.held_delivery(delivery)
    if before is None or before["state"] != DeliveryState.PENDING:
        raise WrongState("Only a pending delivery can be retried; replay a finished one.")
    OwedDelivery.objects.filter(id=delivery).update(due_at=Now())
    name, after = ids.encode(Prefix.DELIVERY, delivery), described.held_delivery(delivery)
    note(actor, "retry", name, before=before, after=after)
    hooks.changed_on_commit(name)


@transaction.atomic
def cancel(*, actor: str, delivery: UUID) -> None:
    """Ends an owed delivery without a further attempt. Raises WrongState if it is finished."""
    before = described.held_delivery(delivery)
    if not finish([delivery], DeliveryState.CANCELLED, reason=f"cancelled by {actor}"):
        raise WrongState("It is finished already.")
    name, after = ids.encode(Prefix.DELIVERY, delivery), {"state": DeliveryState.CANCELLED}
    note(actor, "cancel", name, before=before, after=after)


@transaction.atomic
def open_breaker(*, actor: str, subscription: UUID, seconds: float) -> None:
    """Parks the lane for a while; then one probe decides, as after failures."""
    row, lasts = _held(subscription), timedelta(seconds=seconds)
    change = _move_breaker(row, lambda breaker, now: rule.force_open(breaker, now, now + lasts))
    note(actor, "open-breaker", row.public_id, tenant=row.tenant, **change)


@transaction.atomic
def close_breaker(
    *, actor: str, subscription: UUID, among: SubscriptionQuerySet | None = None
) -> None:
    """Closes it now; what was parked ramps up."""
    row = _held(subscription, among)
    change = _move_breaker(row, lambda breaker, _: rule.force_close(breaker))
    note(actor, "close-breaker", row.public_id, tenant=row.tenant, **change)


@transaction.atomic
def reset_breaker(*, actor: str, subscription: UUID) -> None:
    """Forgets all that the gate has counted and learnt: closed, at full width at once."""
    row = _held(subscription)
    change = _move_breaker(row, lambda _breaker, _now: Breaker())
    _set_limit(row)
    note(actor, "reset-breaker", row.public_id, tenant=row.tenant, **change)


def _held(subscription: UUID, among: SubscriptionQuerySet | None = None) -> Subscription:
    found = Subscription.objects.existing() if among is None else among.all()
    return found.select_for_update(no_key=True, of=("self",)).get(id=subscription)


def _set_state(
    row: Subscription,
    state: SubscriptionState,
    actor: str,
    action: str,
    *,
    reason: str = "",
    until: datetime | None = None,
) -> Subscription:
    before = described.subscription(row)
    _put(row, state, actor, reason=reason, until=until)
    row.save(update_fields=STATE)
    after = described.subscription(row)
    note(actor, action, row.public_id, tenant=row.tenant, before=before, after=after)
    hooks.changed_on_commit(row.public_id)
    return row


def _put(
    row: Subscription,
    state: SubscriptionState,
    actor: str,
    *,
    reason: str = "",
    until: datetime | None = None,
) -> None:
    row.state, row.state_reason, row.state_by = state, reason, actor
    # Its daily probe is a day after it came to this state, whenever it was probed before.
    row.state_since, row.resume_at, row.probed_at = _now(), until, None


def _set_limit(row: Subscription) -> None:
    """Adaptive concurrency starts at the cap and finds its way down."""
    limit = row.max_concurrency if row.adaptive else None
    Lane.objects.filter(pk=row.id).update(limit=limit, usual_ms=None)


def _move_breaker(
    row: Subscription, change: Callable[[Breaker, datetime], Breaker]
) -> dict[str, dict[str, Any]]:
    """Puts the breaker in another state at a moment of PostgreSQL's; gives what to audit of it."""
    before = Lane.objects.select_for_update().get(pk=row.id).breaker
    after = change(before, _now())
    Lane.objects.filter(pk=row.id).update(**Lane.columns_of(after))
    hooks.changed_on_commit(row.public_id)
    return {"before": described.breaker(before), "after": described.breaker(after)}


def _now() -> datetime:
    now: datetime = statements.rows("SELECT now() AS at")[0].at
    return now
