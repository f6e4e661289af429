"""Discarding and restoring any number of dead letters: a job, taken further a slice a transaction.

The first slice is done by whoever asks, so that a few letters are gone at once; a job that has more
to do goes on in the background, and can be stopped.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from dlq import select, settle
from dlq.models import JobState, LetterJob, LetterVerb
from dlq.models.dead_letter import DeadLetterQuerySet
from dlq.select import Criteria
from events.audit import note
from events.uuids import new_uuid

SLICES = 20
"""Slices of one job in a row; then the others have their turn."""


def discard(criteria: Criteria, *, actor: str) -> LetterJob:
    """Begins to take the open letters that meet the criteria off the list."""
    return _begin(LetterVerb.DISCARD, criteria, actor=actor, moment=settle.now())


def restore(criteria: Criteria, *, actor: str, moment: datetime | None = None) -> LetterJob:
    """Begins to put discarded letters back: those of one discard, if its moment is named."""
    return _begin(LetterVerb.RESTORE, criteria, actor=actor, moment=moment)


@transaction.atomic
def _begin(
    verb: LetterVerb, criteria: Criteria, *, actor: str, moment: datetime | None
) -> LetterJob:
    job = LetterJob.objects.create(
        id=new_uuid(),
        verb=verb,
        criteria=criteria.as_json(),
        moment=moment,
        total=_letters(verb, criteria, moment).count(),
        created_by=actor,
    )
    step(job.id)
    return LetterJob.objects.get(id=job.id)


def cancel(job: UUID, *, actor: str) -> bool:
    """Stops a running job; what it moved stays so. False if it was not running."""
    with transaction.atomic():
        found = LetterJob.objects.held(job, wait=True)
        if found is None:
            return False
        _end(found, JobState.CANCELLED)
        before = {"state": JobState.RUNNING}
        after = {"state": JobState.CANCELLED, "letters": found.moved, "of": found.total}
        note(actor, f"cancel-{found.verb}", "dead letters", before=before, after=after)
    return True


def run_all() -> None:
    """Takes every running job some slices further."""
    for job in list(LetterJob.objects.running().order_by("id").values_list("id", flat=True)):
        for _ in range(SLICES):
            if not step(job):
                break


@transaction.atomic
def step(job: UUID) -> bool:
    """The next slice; True if there is more to do now.

    Another process that is at this job is left alone.
    """
    held = LetterJob.objects.held(job, wait=False)
    if held is None:
        return False
    moved = _move(held)
    LetterJob.objects.filter(id=held.id).update(moved=F("moved") + moved)
    if moved < settle.AT_ONCE:
        _end(held, JobState.DONE)
        return False
    return True


def _move(job: LetterJob) -> int:
    criteria = Criteria.from_json(job.criteria)
    found = _letters(LetterVerb(job.verb), criteria, job.moment)
    if job.verb == LetterVerb.DISCARD and job.moment is not None:
        return settle.discard_some(found, criteria, actor=job.created_by, at=job.moment)
    return settle.restore_some(found, criteria, actor=job.created_by)


def _letters(verb: LetterVerb, criteria: Criteria, moment: datetime | None) -> DeadLetterQuerySet:
    if verb is LetterVerb.DISCARD:
        return select.dead_letters(criteria)
    return select.discarded(criteria, at=moment)


def _end(job: LetterJob, state: JobState) -> None:
    LetterJob.objects.filter(id=job.id).update(state=state, finished_at=Now())
