"""What the overview shows: gathered once, for the page, the frame and the polling answer alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.template.loader import render_to_string

from dlq.models import Replay, Signature
from events.console.lanes import standing_of
from events.models import Subscription
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.states import BreakerState, SubscriptionState
from monitoring import charts
from monitoring.lanes import NONE, Health, health_of
from monitoring.models import Finding, Sample, Side
from monitoring.spans import RANGES, Span

NEWEST = 6
"""How many groups of dead letters, replays and breakers are shown."""

STALE = timedelta(seconds=15)
"""A sample of this age is not the present."""

HEAD = {
    "pulse": "monitoring/_pulse.html",
    "head-level": "monitoring/_head_level.html",
    "head-ledger": "monitoring/_head_ledger.html",
    "head-findings": "monitoring/_head_findings.html",
}
"""The live parts of every page."""

PARTS = {
    "ov-verdict": "monitoring/_verdict.html",
    "ov-ledger": "monitoring/_ledger.html",
    "ov-lanes": "monitoring/_lanes.html",
    "ov-breakers": "monitoring/_breakers.html",
    "ov-deaths": "monitoring/_deaths.html",
    "ov-replays": "monitoring/_replays.html",
}
"""The live parts of the overview, drawn at every tick."""

CHARTS = {"ov-charts": "monitoring/_charts.html"}
"""Drawn at every fifth tick."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Us or them, in words; `state` is one of monitoring/looks.py."""

    state: str
    title: str
    findings: Sequence[Finding]
    more: int


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One subscription that owes; `oldest` is in seconds."""

    subscription: Subscription
    state: str
    due: int
    waiting: int
    oldest: float | None
    flows: bool
    health: Health


@dataclass(frozen=True, slots=True)
class Group:
    """A group of dead letters with the subscription that it belongs to."""

    signature: Signature
    subscription: Subscription | None


def gather(sample: Sample | None, now: datetime) -> dict[str, Any]:
    """The context of every part but the charts."""
    if sample is None:
        return {"head": None, "verdict": _unknown(), "rows": [], "breakers": [], "now": now}
    signatures = list(Signature.objects.with_open()[:NEWEST])
    wanted = {_uuid(lane["id"]): lane for lane in sample.lanes}
    known = _subscriptions({*wanted, *(group.subscription for group in signatures)})
    health = health_of(wanted, now)
    breakers = _not_closed(known.values())
    return {
        "head": sample,
        "ledger": sample.totals["ledger"],
        "verdict": verdict(sample, _standing(), now),
        "rows": [
            _row(known[one], lane, health.get(one, NONE))
            for one, lane in wanted.items()
            if one in known
        ],
        "breakers": breakers,
        "standings": standing_of(one.id for one in breakers[:NEWEST]),
        "groups": [Group(group, known.get(group.subscription)) for group in signatures],
        "replays": list(Replay.objects.running().before(None)[:NEWEST]),
        "now": now,
    }


def chart_context(span: Span) -> dict[str, Any]:
    return {"charts": charts.charts(span), "span": span, "ranges": list(RANGES)}


def render(parts: Mapping[str, str], context: Mapping[str, Any]) -> dict[str, str]:
    """The HTML of each part, by its id, as the page includes it."""
    return {part: render_to_string(name, dict(context)).strip() for part, name in parts.items()}


def verdict(sample: Sample, standing: Sequence[Finding], now: datetime) -> Verdict:
    """Opens the overview: whose side it is, and what the findings are."""
    if now - sample.at > STALE:
        return _unknown()
    ours = [finding for finding in standing if finding.side == Side.OURS]
    first = ours or standing
    shown, more = first[:3], len(standing) - len(first[:3])
    if ours:
        return Verdict("failing", "It is us", shown, more)
    if standing:
        return Verdict("degraded", "It is them", shown, more)
    return Verdict("healthy", "All is well", [], 0)


def _unknown() -> Verdict:
    return Verdict("unknown", "Not known", [], 0)


def _standing() -> Sequence[Finding]:
    return list(Finding.objects.standing().order_by("since")[:50])


def _uuid(public_id: str) -> UUID:
    found = ids.decode(Prefix.SUBSCRIPTION, public_id)
    if found is None:
        raise ValueError(public_id)
    return found


def _subscriptions(wanted: set[UUID]) -> dict[UUID, Subscription]:
    """Those, and the ones whose breaker is not closed, with their lanes."""
    found = Subscription.objects.existing().filter(
        Q(id__in=wanted) | ~Q(lane__state=BreakerState.CLOSED)
    )
    return {one.id: one for one in found.select_related("lane")}


def _not_closed(known: Any) -> list[Subscription]:
    """Open and half-open ones that are meant to work, the soonest probe first."""
    found = [
        one
        for one in known
        if one.lane.state != BreakerState.CLOSED and one.state == SubscriptionState.ACTIVE
    ]
    return sorted(found, key=lambda one: one.lane.retry_at or one.lane.opened_at)


def _row(subscription: Subscription, lane: Mapping[str, Any], health: Health) -> LaneRow:
    return LaneRow(
        subscription=subscription,
        state=_state(subscription),
        due=lane["due"],
        waiting=lane["waiting"],
        oldest=lane["oldest"],
        flows=lane["flows"],
        health=health,
    )


def _state(subscription: Subscription) -> str:
    if subscription.state != SubscriptionState.ACTIVE:
        return subscription.state
    lane = subscription.lane
    if lane.state != BreakerState.CLOSED:
        return lane.state
    return "healthy" if lane.failures == 0 else "degraded"
