"""How everything that makes up a running Redrive does: processes, servers, producers, endpoints.

One shape for all of them, for the status over REST and for the health page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, Min, Q
from django.utils import timezone

from events.models import ApiKey, Subscription
from events.models.process import Role
from events.rules.states import BreakerState, SubscriptionState
from monitoring.parts import Known, known
from monitoring.processes import Process, missed, processes


class State(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Health:
    """`reason` is empty for what is healthy; `since` is when it came to be so, if that is known."""

    name: str
    state: State
    reason: str = ""
    since: datetime | None = None


def health(*, tenant: str | None = None, servers: Sequence[Known] | None = None) -> list[Health]:
    """The health of each. Producers and endpoints are those of the tenant; None for all.

    `servers` where they were measured just now; otherwise as a dispatcher saw them last.
    """
    found = processes()
    return [
        *(_of_role(role, [one for one in found if one.beat.role == role]) for role in Role),
        *(_of_server(one) for one in (known() if servers is None else servers)),
        _of_producers(tenant),
        _of_endpoints(tenant),
    ]


def _of_role(role: Role, found: Sequence[Process]) -> Health:
    live = [one for one in found if one.state != "gone"]
    if not live:
        last = max((one.beat.beat_at for one in found), default=None)
        return Health(role, State.DOWN, "none is heard of", last)
    if all(one.out for one in live):
        return Health(role, State.DOWN, f"out of rotation: {live[0].out}")
    reasons, since = [], None
    if lost := missed(found):
        reasons.append(f"{len(lost)} gone without a stop")
        since = min(one.beat.beat_at for one in lost)
    if out := [one for one in live if one.out]:
        reasons.append(f"{len(out)} out of rotation: {out[0].out}")
    if late := [one for one in live if one.state == "suspect"]:
        reasons.append(f"{len(late)} late with its heartbeat")
    if any(one.beat.load.get("alone") for one in live):
        reasons.append("delivers in its own process: the broker is away")
    if reasons:
        return Health(
            role, State.DEGRADED, f"of {len(live) + len(lost)}: {'; '.join(reasons)}", since
        )
    return Health(role, State.HEALTHY, since=min(one.beat.started_at for one in live))


def _of_server(one: Known) -> Health:
    return Health(one.name.lower(), State(one.state), one.reason, one.since)


def _of_producers(tenant: str | None) -> Health:
    quiet = ApiKey.objects.quiet(timezone.now()).order_by("last_published_at")
    found = list(quiet if tenant is None else quiet.filter(tenant=tenant))
    if not found:
        return Health("producers", State.HEALTHY)
    names = ", ".join(one.name for one in found[:3])
    reason = f"{len(found)} quiet for longer than their habit: {names}"
    return Health("producers", State.DEGRADED, reason, found[0].last_published_at)


def _of_endpoints(tenant: str | None) -> Health:
    """Of the subscriptions by the state of their breakers; what a person stopped is not ill."""
    active = Q(state=SubscriptionState.ACTIVE)
    at = {state: active & Q(lane__state=state) for state in BreakerState}
    counts = Subscription.objects.seen_by(tenant).aggregate(
        **{state: Count("id", filter=where) for state, where in at.items()},
        disabled=Count("id", filter=Q(state=SubscriptionState.DISABLED, state_by="redrive")),
        since=Min("lane__opened_at", filter=active & ~Q(lane__state=BreakerState.CLOSED)),
    )
    since = counts.pop("since")
    closed = counts.pop(BreakerState.CLOSED)
    ill = {name: many for name, many in counts.items() if many}
    if not ill:
        return Health("endpoints", State.HEALTHY)
    words = ", ".join(f"{many} {name.replace('_', '-')}" for name, many in ill.items())
    state = State.DEGRADED if closed else State.DOWN
    return Health("endpoints", state, f"{words}, {closed} closed", since)
