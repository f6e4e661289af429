"""Replaying: a job that makes new deliveries from dead letters, or from the event log.

`start` stores what is to be replayed; `step` makes the next deliveries. The new deliveries, the
dead letters they settle, what could not be made and the job's cursor are written in one
transaction under the job's row lock, so that a kill, a second worker or a double click makes
nothing twice and loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from dlq import select
from dlq.models import DeadLetter, LetterState, Replay, ReplayState
from dlq.models.replay import ReplaySource
from dlq.plan import Order, plan
from dlq.select import Criteria
from dlq.settle import settle
from dlq.skip import skip
from events import hooks, load
from events.audit import note
from events.models import Delivery, Event
from events.redeliver import Redelivery, redeliver
from events.rules import ids
from events.rules.ids import Prefix
from events.rules.load import Level
from events.uuids import new_uuid

STEP = 500
"""Sources that one transaction looks at."""


def start(order: Order, *, actor: str) -> Replay:
    """Stores a replay of what meets the criteria now, or gives the one this token made before."""
    criteria = order.criteria
    if criteria.before is None:
        criteria = replace(criteria, before=timezone.now())
    row = Replay(
        id=new_uuid(),
        source=order.source,
        criteria=criteria.as_json(),
        target=order.target,
        tenant=criteria.tenant,
        rate=order.rate,
        fresh=order.fresh,
        again=order.again,
        total=plan(replace(order, criteria=criteria)).total,
        token=order.token,
        created_by=actor,
    )
    with transaction.atomic():
        Replay.objects.bulk_create([row], ignore_conflicts=True)
        kept = Replay.objects.get(token=order.token)
        if kept.id == row.id:
            note(actor, "replay", row.public_id, tenant=row.tenant, after=_ordered(row))
    return kept


def _ordered(row: Replay) -> dict[str, Any]:
    """What somebody asked for, as the audit log keeps it."""
    return {
        "source": row.source,
        "total": row.total,
        "target": row.target and ids.encode(Prefix.SUBSCRIPTION, row.target),
        "rate": row.rate,
        "fresh": row.fresh,
        "again": row.again,
        **{name: value for name, value in row.criteria.items() if value is not None},
    }


def is_running() -> bool:
    """Whether any replay runs: it may come to an event of any age."""
    return Replay.objects.running().exists()


def cancel(replay: UUID, *, actor: str) -> bool:
    """Stops a running replay; what it made stays owed. False if it was not running."""
    with transaction.atomic():
        found = Replay.objects.running().select_for_update().filter(id=replay).first()
        if found is None:
            return False
        _end(found, ReplayState.CANCELLED)
        before = {"state": ReplayState.RUNNING}
        after = {"state": ReplayState.CANCELLED, "made": found.made, "of": found.total}
        note(
            actor,
            "cancel-replay",
            found.public_id,
            tenant=found.tenant,
            before=before,
            after=after,
        )
    return True


def set_rate(replay: UUID, *, rate: float | None, actor: str) -> bool:
    """Changes the deliveries a second of a running replay; False if it is not running."""
    with transaction.atomic():
        found = Replay.objects.running().select_for_update().filter(id=replay).first()
        if found is None:
            return False
        # What the old rate had earned is forgotten: the new one begins without a burst.
        Replay.objects.filter(id=found.id).update(rate=rate, paced_at=Now())
        change = {"before": {"rate": found.rate}, "after": {"rate": rate}}
        note(actor, "change-rate", found.public_id, tenant=found.tenant, **change)
        hooks.changed_on_commit(found.public_id)
    return True


@transaction.atomic
def step(replay: UUID) -> bool:
    """Makes the next deliveries, as many as the rate allows; True if there is more to do now.

    Another process that is at this replay is left alone.
    """
    job = (
        Replay.objects.running()
        .annotate(at=Now())
        .select_for_update(skip_locked=True)
        .filter(id=replay)
        .first()
    )
    if job is None:
        return False
    allowed = _allowed(job)
    if allowed == 0:
        return False
    sources = _next_sources(job, allowed)
    if not sources:
        _end(job, ReplayState.DONE)
        return False
    items = [_redelivery(job, source) for source in sources]
    made = redeliver(items, replay=job.id)
    skip([item for item in items if item.source not in made], replay=job.id)
    _settle(job, [source for source in sources if _id(source) in made])
    Replay.objects.filter(id=job.id).update(
        cursor=_id(sources[-1]),
        made=job.made + len(made),
        skipped=job.skipped + len(sources) - len(made),
        paced_at=Now(),
    )
    hooks.changed_on_commit(job.public_id)
    # Below its full share it waits for the job's next turn, like a paced one.
    return job.rate is None and allowed == STEP


@dataclass(frozen=True, slots=True)
class _Letter:
    """A dead letter to replay, with the webhook-id that its receiver knows."""

    letter: DeadLetter
    webhook_id: UUID


SHARE = {Level.NORMAL: 1.0, Level.BUSY: 0.1, Level.OVERLOADED: 0.0}
"""The part of its rate that a replay runs at: live events go first."""


def _allowed(job: Any) -> int:
    share = SHARE[Level(load.current().level)]
    if job.rate is None or not share:
        return int(STEP * share)
    earned = int((job.at - job.paced_at).total_seconds() * job.rate * share)
    # The first step starts at once: a slow rate is seen to work.
    return min(STEP, max(earned, 1 if job.cursor is None else 0))


def _next_sources(job: Replay, many: int) -> list[_Letter] | list[Event]:
    criteria = Criteria.from_json(job.criteria)
    found = select.sources(job.source, criteria, target=job.target, again=job.again)
    if job.source == ReplaySource.EVENTS:
        after = found if job.cursor is None else found.filter(id__gt=job.cursor)
        return list(after.order_by("id")[:many])
    letters = list(select.in_order(found, after=job.cursor).select_for_update()[:many])
    taken = [letter.id for letter in letters]
    known = dict(Delivery.objects.filter(id__in=taken).values_list("id", "webhook_id"))
    return [_Letter(letter, known.get(letter.id, letter.id)) for letter in letters]


def _id(source: _Letter | Event) -> UUID:
    return source.letter.id if isinstance(source, _Letter) else source.id


def _redelivery(job: Replay, source: _Letter | Event) -> Redelivery:
    if isinstance(source, _Letter):
        letter = source.letter
        to = job.target or letter.subscription
        kept = None if job.fresh else source.webhook_id
        return Redelivery(letter.event, to, letter.id, kept)
    assert job.target is not None  # noqa: S101 - the API and a dry run refuse such an order
    return Redelivery(source.id, job.target, source.id, None)


def _settle(job: Replay, sources: Sequence[_Letter | Event]) -> None:
    letters = [source.letter for source in sources if isinstance(source, _Letter)]
    settle(letters, LetterState.REPLAYED, by=job.created_by, replay=job.id)


def _end(job: Replay, state: ReplayState) -> None:
    Replay.objects.filter(id=job.id).update(state=state, finished_at=Now())
    hooks.changed_on_commit(job.public_id)
