"""Settling dead letters: replayed or discarded, with their groups' counts in step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from dlq import select
from dlq.models import DeadLetter, LetterState, Signature
from dlq.models.dead_letter import DeadLetterQuerySet
from dlq.select import Criteria
from events import hooks
from events.audit import note

AT_ONCE = 5_000

_MOVED = {
    LetterState.DISCARDED: ("discard", LetterState.OPEN),
    LetterState.OPEN: ("restore", LetterState.DISCARDED),
}
"""The verb that brings letters to a state, and the state they were in."""


@dataclass(frozen=True, slots=True)
class Discarded:
    """`at` is the moment that all letters of one discard have, by which it is undone."""

    count: int
    at: datetime


def settle(
    letters: Sequence[DeadLetter],
    state: LetterState,
    *,
    by: str,
    replay: UUID | None = None,
    at: datetime | None = None,
) -> None:
    """Moves open letters that the caller holds, and counts them out of their groups."""
    DeadLetter.objects.filter(id__in=[letter.id for letter in letters]).update(
        state=state, settled_at=at or Now(), settled_by=by, replay=replay
    )
    counts = Counter(letter.signature_id for letter in letters)
    for signature, count in sorted(counts.items()):
        Signature.objects.filter(id=signature).update(open=F("open") - count)
    hooks.changed_on_commit(*(letter.public_id for letter in letters))


def discard(criteria: Criteria, *, actor: str) -> Discarded:
    """Takes the open letters that meet the criteria off the list, a slice a transaction.

    Their deliveries stay `dead` in the ledger: nothing is forgotten, only put away. Where it was
    cut off, the same discard goes on with the rest.
    """
    total, at = 0, now()
    while count := discard_some(select.dead_letters(criteria), criteria, actor=actor, at=at):
        total += count
    return Discarded(total, at)


@transaction.atomic
def discard_some(found: DeadLetterQuerySet, criteria: Criteria, *, actor: str, at: datetime) -> int:
    """The next slice of those open letters; gives how many."""
    letters = _held(found)
    if letters:
        settle(letters, LetterState.DISCARDED, by=actor, at=at)
        _note(actor, letters, criteria, state=LetterState.DISCARDED)
    return len(letters)


def restore(criteria: Criteria, *, actor: str, at: datetime | None = None) -> int:
    """Puts discarded letters that meet the criteria back; gives how many.

    `at` is the moment of one discard: it undoes that one only.
    """
    total = 0
    while count := restore_some(select.discarded(criteria, at=at), criteria, actor=actor):
        total += count
    return total


@transaction.atomic
def restore_some(found: DeadLetterQuerySet, criteria: Criteria, *, actor: str) -> int:
    """The next slice of those discarded letters; gives how many."""
    letters = _held(found)
    if not letters:
        return 0
    DeadLetter.objects.filter(id__in=[letter.id for letter in letters]).update(
        state=LetterState.OPEN, settled_at=None, settled_by=""
    )
    for signature, count in sorted(Counter(letter.signature_id for letter in letters).items()):
        Signature.objects.filter(id=signature).update(open=F("open") + count)
    _note(actor, letters, criteria, state=LetterState.OPEN)
    hooks.changed_on_commit(*(letter.public_id for letter in letters))
    return len(letters)


def _held(found: DeadLetterQuerySet) -> list[DeadLetter]:
    """The next slice, locked."""
    rows = found.order_by("id").only("id", "signature_id", "owner").select_for_update()
    return list(rows[:AT_ONCE])


def _note(
    actor: str, letters: Sequence[DeadLetter], criteria: Criteria, *, state: LetterState
) -> None:
    verb, was = _MOVED[state]
    one = letters[0] if len(letters) == 1 else None
    wanted = {} if one else {"letters": len(letters), **criteria.as_json()}
    note(
        actor,
        verb,
        one.public_id if one else "dead letters",
        tenant=one.owner if one else criteria.tenant,
        before={"state": was},
        after={"state": state, **{name: v for name, v in wanted.items() if v is not None}},
    )


def now() -> datetime:
    """By PostgreSQL's clock, as every moment of a letter is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        read: datetime = cursor.fetchone()[0]
    return read
