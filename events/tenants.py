"""Weights of tenants: who gets more than an equal share while lanes compete for a window."""

from __future__ import annotations

from django.db import transaction

from events.audit import note
from events.models import Lane, Subscription, Tenant


@transaction.atomic
def set_weight(*, actor: str, tenant: str, weight: int) -> Tenant:
    """Gives each lane of the tenant, and each one made later, `weight` times an equal share.

    The weight is copied to the lanes, so that a claim joins nothing more.
    """
    known = Tenant.objects.select_for_update().filter(name=tenant).first()
    row, _ = Tenant.objects.update_or_create(name=tenant, defaults={"weight": weight})
    Lane.objects.filter(subscription__tenant=tenant).update(weight=weight)
    before = {"weight": known.weight if known else 1}
    note(actor, "weigh", f"tenant {tenant}", tenant=tenant, before=before, after={"weight": weight})
    return row


def weigh_lane(row: Subscription) -> None:
    """Gives the lane of a subscription, whose tenant may have changed, that tenant's weight."""
    known = Tenant.objects.filter(name=row.tenant).values_list("weight", flat=True).first()
    Lane.objects.filter(pk=row.id).exclude(weight=known or 1).update(weight=known or 1)
