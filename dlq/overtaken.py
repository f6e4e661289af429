"""What a replay was to send and did not come to, because others had dealt with it before."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from dlq import select
from dlq.models import DeadLetter, LetterState, Replay, ReplaySkip
from dlq.models.replay import ReplaySource
from dlq.select import Criteria
from events.models import Delivery, Subscription


def overtaken(job: Replay) -> QuerySet[Any]:
    """The sources that meet its criteria and were settled while it ran, by others.

    A dead letter was replayed or discarded, its event delivered by another way, or its
    subscription deleted. An event was delivered by another way; one that expired is not kept.
    """
    wanted = Criteria.from_json(job.criteria)
    left_out = ReplaySkip.objects.of(job.id).values("source")
    meanwhile = (job.created_at, job.finished_at or Now())
    if job.source == ReplaySource.EVENTS:
        found: QuerySet[Any] = _events(job, wanted, meanwhile)
    else:
        found = _letters(job, wanted, meanwhile)
    return found.exclude(id__in=left_out)


def _events(job: Replay, wanted: Criteria, meanwhile: tuple[Any, Any]) -> QuerySet[Any]:
    """None where it sends what was delivered already: then nothing overtakes it."""
    every = select.events(wanted)
    if job.again:
        return every.none()
    made = Delivery.objects.filter(event=OuterRef("id"), replay=job.id)
    return every.filter(_arrived(job, "id", meanwhile), ~Exists(made))


def _letters(job: Replay, wanted: Criteria, meanwhile: tuple[Any, Any]) -> QuerySet[Any]:
    others = Q(settled_at__range=meanwhile) & ~Q(replay=job.id)
    if not job.again:
        others |= Q(_arrived(job, "event", meanwhile), state=LetterState.OPEN)
    if job.target is None:
        gone = Subscription.objects.filter(deleted_at__range=meanwhile)
        others |= Q(state=LetterState.OPEN, subscription__in=gone.values("id"))
    return select.narrowed(DeadLetter.objects.all(), wanted).filter(others)


def _arrived(job: Replay, event: str, meanwhile: tuple[Any, Any]) -> Exists:
    """Whether its endpoint was delivered the event in that time, and not by the replay."""
    to: Any = job.target or OuterRef("subscription")
    arrived = select.arrivals(event, to).filter(finished_at__range=meanwhile)
    return Exists(arrived.exclude(replay=job.id))
