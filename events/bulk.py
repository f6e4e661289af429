"""Retrying and cancelling many deliveries at once: counted first, then done by a job in slices.

The job's row holds a cursor. A slice locks the job, takes the next deliveries that meet the
criteria and that nobody holds, acts on them and moves the cursor, in one transaction. A delivery
that a worker holds at that moment is sent or judged right now: a retry leaves it alone, a cancel
comes back for it at the end, one by one, because who holds many rows must wait for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from events import choose, hooks
from events.audit import note
from events.choose import Criteria
from events.finish import finish
from events.models import BulkJob, OwedDelivery
from events.models.bulk import BulkState, BulkVerb
from events.probe import TEST_TYPE
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.states import DeliveryState
from events.uuids import new_uuid

SLICE = 1_000
ONE_BY_ONE = 100
"""Deliveries that a slice at the end of a cancel waits for, each in its own transaction."""

SLICES = 20
"""Slices of one job in a row; then the others have their turn."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would do now.

    `left` meet the criteria, but the verb has nothing to do for them: due already, or in flight.
    """

    total: int
    left: int
    by_subscription: dict[UUID, int]


@dataclass(frozen=True, slots=True)
class Order:
    """`token` makes repeats of the order one job."""

    verb: BulkVerb
    criteria: Criteria
    token: str


def plan(verb: BulkVerb, criteria: Criteria) -> Plan:
    """Counts exactly what is owed now; writes nothing."""
    found = choose.narrowed(OwedDelivery.objects.all(), criteria)
    counted = found.values_list("subscription").annotate(
        all=Count("id"), n=Count("id", filter=_acts_on(verb))
    )
    rows = list(counted.order_by())
    total = sum(n for _, _, n in rows)
    by_subscription = {subscription: n for subscription, _, n in rows if n}
    return Plan(total, sum(every for _, every, _ in rows) - total, by_subscription)


def start(order: Order, *, actor: str) -> BulkJob:
    """Stores a job for what meets the criteria now, or gives the one this token made before."""
    criteria = order.criteria
    if criteria.before is None:
        criteria = replace(criteria, before=timezone.now())
    row = BulkJob(
        id=new_uuid(),
        verb=order.verb,
        criteria=criteria.as_json(),
        tenant=criteria.owner,
        total=plan(order.verb, criteria).total,
        token=order.token,
        created_by=actor,
    )
    with transaction.atomic():
        BulkJob.objects.bulk_create([row], ignore_conflicts=True)
        kept = BulkJob.objects.get(token=order.token)
        if kept.id == row.id:
            after = {"deliveries": row.total, **criteria.as_json()}
            note(actor, f"bulk-{order.verb}", row.public_id, tenant=row.tenant, after=after)
    return kept


def cancel(job: UUID, *, actor: str) -> bool:
    """Stops a running job; what it did stays done. False if it was not running."""
    with transaction.atomic():
        found = BulkJob.objects.held(job, wait=True)
        if found is None:
            return False
        _end(found, BulkState.CANCELLED, actor=actor)
    return True


def run_all() -> None:
    """Takes every running job some slices further."""
    for job in list(BulkJob.objects.running().order_by("id").values_list("id", flat=True)):
        for _ in range(SLICES):
            if not step(job):
                break


def step(job: UUID) -> bool:
    """The next slice; True if there is more to do now.

    Another process that is at this job is left alone.
    """
    with transaction.atomic():
        held = BulkJob.objects.held(job, wait=False)
        if held is None:
            return False
        if _slice(held):
            return True
        rest = _rest(held)
        if not rest:
            _end(held, BulkState.DONE, actor=held.created_by)
            return False
    for one in rest:
        _cancel_one(held, one)
    return True


def _slice(job: BulkJob) -> bool:
    """Acts on the next deliveries; False past the last one."""
    found = _matching(job).order_by("id")
    ahead = found if job.cursor is None else found.filter(id__gt=job.cursor)
    looked = list(ahead.values_list("id", flat=True)[:SLICE])
    if not looked:
        return False
    free = found.filter(id__in=looked).select_for_update(skip_locked=True)
    _move(job, acted=_act(job, list(free.values_list("id", flat=True))), cursor=looked[-1])
    return True


def _act(job: BulkJob, deliveries: Sequence[UUID]) -> int:
    if job.verb == BulkVerb.CANCEL:
        return len(_cancel(job, deliveries))
    OwedDelivery.objects.filter(id__in=deliveries).update(due_at=Now())
    hooks.changed_on_commit(*(ids.encode(Prefix.DELIVERY, one) for one in deliveries))
    return len(deliveries)


def _rest(job: BulkJob) -> list[UUID]:
    """What a worker held when its slice came by."""
    if job.verb == BulkVerb.RETRY:
        return []
    return list(_matching(job).order_by("id").values_list("id", flat=True)[:ONE_BY_ONE])


@transaction.atomic
def _cancel_one(job: BulkJob, delivery: UUID) -> None:
    """Waits for the delivery with nothing else in hand; the job's row comes after it."""
    if BulkJob.objects.running().filter(id=job.id).exists():
        _move(job, acted=len(_cancel(job, [delivery])), cursor=job.cursor)


def _cancel(job: BulkJob, deliveries: Sequence[UUID]) -> list[UUID]:
    return finish(deliveries, DeliveryState.CANCELLED, reason=f"cancelled by {job.created_by}")


def _matching(job: BulkJob) -> QuerySet[OwedDelivery]:
    found = choose.narrowed(OwedDelivery.objects.all(), Criteria.from_json(job.criteria))
    return found.filter(_acts_on(BulkVerb(job.verb)))


def _acts_on(verb: BulkVerb) -> Q:
    """A retry has something to do for what waits for a later try; a test goes by itself."""
    if verb == BulkVerb.CANCEL:
        return Q()
    return Q(state=DeliveryState.PENDING, due_at__gt=Now()) & ~Q(event_type=TEST_TYPE)


def _move(job: BulkJob, *, acted: int, cursor: UUID | None) -> None:
    BulkJob.objects.filter(id=job.id).update(acted=F("acted") + acted, cursor=cursor)
    hooks.changed_on_commit(job.public_id)


def _end(job: BulkJob, state: BulkState, *, actor: str) -> None:
    BulkJob.objects.filter(id=job.id).update(state=state, finished_at=Now())
    action = "cancel-bulk" if state == BulkState.CANCELLED else f"bulk-{job.verb}-done"
    before = {"state": BulkState.RUNNING}
    after = {"state": state, "deliveries": job.acted, "of": job.total}
    note(actor, action, job.public_id, tenant=job.tenant, before=before, after=after)
    hooks.changed_on_commit(job.public_id)
