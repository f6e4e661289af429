"""Encrypting what is at rest anew, with the first of REDRIVE_SECRET_KEYS.

One subscription a transaction, under the lock that editing takes: a kill leaves some done and the
others as they were, both readable, and another run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from events import vault
from events.audit import note
from events.models import Secret, Subscription


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many values were encrypted anew, and the public ids of what no key opens."""

    values: int
    unreadable: Sequence[str]


def rotate_keys(*, actor: str) -> Rotated:
    """Leaves no value that needs an older key, but those that no configured key opens."""
    values, unreadable = _pass()
    while moved := _pass()[0]:
        # An edit that had read the old values wrote them back.
        values += moved
    after = {"values": values, "unreadable": unreadable}
    note(actor, "rotate-keys", "REDRIVE_SECRET_KEYS", after=after)
    return Rotated(values, unreadable)


def _pass() -> tuple[int, list[str]]:
    values, unreadable = 0, []
    for subscription in Subscription.objects.order_by("id").values_list("id", flat=True):
        try:
            values += _rotate(subscription)
        except vault.Unreadable:
            unreadable.append(Subscription(id=subscription).public_id)
    return values, unreadable


@transaction.atomic
def _rotate(subscription: UUID) -> int:
    """All of one subscription or nothing. Raises vault.Unreadable."""
    row = Subscription.objects.select_for_update(no_key=True).get(id=subscription)
    secrets = [(one, vault.renewed(one.encrypted)) for one in row.secrets.all()]
    headers = {name: vault.renewed(value) for name, value in row.headers.items()}
    credentials = vault.renewed(row.credentials) if row.credentials else ""
    moved = [(one, new) for one, new in secrets if new != one.encrypted]
    for one, new in moved:
        Secret.objects.filter(id=one.id).update(encrypted=new)
    changed = sum(1 for name, new in headers.items() if new != row.headers[name])
    changed += int(credentials != row.credentials)
    if changed:
        Subscription.objects.filter(id=row.id).update(headers=headers, credentials=credentials)
    return len(moved) + changed
