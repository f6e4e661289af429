"""Tenants over REST: who gets more than an equal share."""

from __future__ import annotations

from ninja import Router
from pydantic import BaseModel, Field

from events import tenants
from events.api.callers import MANAGE, Request
from events.api.inputs import Body, Text
from events.api.refusals import Refused
from events.models import Tenant
from events.models.tenant import MOST
from events.problems import Code, Problem

router = Router(tags=["tenants"])


class Weight(Body):
    tenant: Text = Field(min_length=1)
    weight: int = Field(
        ge=1, le=MOST, description="Times an equal share; 1 is what all others have."
    )


class Weights(BaseModel):
    """Every tenant that was ever given a weight."""

    data: list[Weight]


@router.get("/tenants", auth=MANAGE, response=Weights)
def list_tenants(request: Request) -> Weights:
    """The weights that were set; a key of one tenant is shown its own."""
    known = Tenant.objects.order_by("name")
    if request.auth.tenant is not None:
        known = known.filter(name=request.auth.tenant)
    return Weights(data=[Weight(tenant=row.name, weight=row.weight) for row in known])


@router.post("/tenants", auth=MANAGE, response=Weight)
def weigh_tenant(request: Request, body: Weight) -> Weight:
    """Gives each subscription of a tenant so many times an equal share while many compete."""
    if request.auth.tenant is not None:
        raise Refused(Problem(Code.FORBIDDEN, "A key of one tenant may not weigh tenants."))
    row = tenants.set_weight(actor=request.auth.actor, tenant=body.tenant, weight=body.weight)
    return Weight(tenant=row.name, weight=row.weight)
