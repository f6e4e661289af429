"""Findings: from the newest sample and the processes, what is wrong, and on whose side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Now

from events.audit import note
from events.models import Heartbeat, Lane, LoadLevel, Subscription
from events.models.process import Role
from events.rules.load import Level
from events.rules.states import BreakerState, SubscriptionState
from monitoring.models import Finding, Kind, Sample, Side

LATE = 15.0
"""Seconds that due work may wait while no worker is heard of."""

RECENT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that is wrong now."""

    kind: Kind
    subject: str
    side: Side
    words: str
    href: str


def judge() -> None:
    """Keeps what is wrong now, and clears what is no longer."""
    sample = Sample.objects.newest()
    if sample is not None:
        keep([*_ours(sample), *_theirs()])


@transaction.atomic
def keep(seen: Sequence[Seen]) -> None:
    """Stores each as standing; those that stood and were not seen again are over."""
    standing = {
        (finding.kind, finding.subject): finding
        for finding in Finding.objects.select_for_update().standing()
    }
    for one in seen:
        found = standing.pop((one.kind, one.subject), None)
        if found is None:
            Finding.objects.create(
                kind=one.kind, subject=one.subject, side=one.side, words=one.words, href=one.href
            )
        else:
            Finding.objects.filter(pk=found.pk).update(seen_at=Now(), words=one.words)
    over = [finding.pk for finding in standing.values()]
    Finding.objects.filter(pk__in=over).update(cleared_at=Now())


@transaction.atomic
def acknowledge(pk: int, *, actor: str) -> bool:
    """Somebody knows: it rings no more. False if it is over, or somebody was first."""
    changed = (
        Finding.objects.standing()
        .filter(pk=pk, acknowledged_at=None)
        .update(acknowledged_at=Now(), acknowledged_by=actor)
    )
    if changed:
        note(actor, "acknowledge", f"finding {pk}", after={"acknowledged": True})
    return bool(changed)


@transaction.atomic
def silence(pk: int, *, actor: str, until: datetime) -> bool:
    """It rings no more before `until`; False if it is over."""
    changed = (
        Finding.objects.standing().filter(pk=pk).update(silenced_until=until, silenced_by=actor)
    )
    if changed:
        note(actor, "silence", f"finding {pk}", after={"until": until.isoformat()})
    return bool(changed)


@transaction.atomic
def ring_again(pk: int, *, actor: str) -> bool:
    """Takes back an acknowledgement and a silence."""
    changed = (
        Finding.objects.standing()
        .filter(pk=pk)
        .update(acknowledged_at=None, acknowledged_by="", silenced_until=None, silenced_by="")
    )
    if changed:
        note(actor, "ring-again", f"finding {pk}", after={"acknowledged": False})
    return bool(changed)


def _ours(sample: Sample) -> Iterable[Seen]:
    if sample.unaccounted:
        words = f"The ledger does not agree with the deliveries: {sample.unaccounted:,} differ."
        yield Seen(Kind.LEDGER, "", Side.OURS, words, "/#ledger")
    alive = Heartbeat.objects.alive()
    if (sample.oldest or 0.0) > LATE and not alive.filter(role=Role.WORKER).exists():
        words = f"Nothing delivers: {sample.due:,} deliveries are due and no worker is heard of."
        yield Seen(Kind.PROCESS, "worker", Side.OURS, words, "/health/")
    if alive.filter(role=Role.DISPATCHER, load__alone=True).exists():
        words = "The broker is away: the dispatcher delivers in its own process, slower."
        yield Seen(Kind.BROKER, "", Side.OURS, words, "/health/")
    load = LoadLevel.objects.exclude(level=Level.NORMAL).first()
    if load is not None:
        words = f"The load is {load.level}: {'; '.join(load.reasons) or 'it is falling'}."
        yield Seen(Kind.LEVEL, "", Side.OURS, words, "/health/")
    ours = Sample.objects.ticks().filter(at__gte=sample.at - RECENT).aggregate(n=Sum("ours"))["n"]
    if ours:
        words = "Attempts fail on our side: name resolver, or an address that we may not send to."
        yield Seen(Kind.OUR_FAULT, "", Side.OURS, words, "/deliveries/?error=ours")


def _theirs() -> Iterable[Seen]:
    lanes = Lane.objects.exclude(state=BreakerState.CLOSED).select_related("subscription")
    for lane in lanes.filter(
        subscription__state=SubscriptionState.ACTIVE, subscription__deleted_at=None
    ):
        one = lane.subscription
        words = f"{one}: the endpoint fails, its breaker is open and deliveries are parked."
        yield Seen(
            Kind.BREAKER, one.public_id, Side.THEIRS, words, f"/subscriptions/{one.public_id}/"
        )
    disabled = Subscription.objects.existing().filter(
        state=SubscriptionState.DISABLED, state_by="redrive"
    )
    for one in disabled:
        words = f"{one}: disabled, because {one.state_reason or 'it failed for days'}."
        yield Seen(
            Kind.DISABLED, one.public_id, Side.THEIRS, words, f"/subscriptions/{one.public_id}/"
        )
