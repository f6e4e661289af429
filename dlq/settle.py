"""Settling dead letters: replayed or discarded, with their groups' counts in step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from dlq import select
from dlq.models import DeadLetter, LetterState, Signature
from dlq.select import Criteria
from events import hooks
from events.audit import note

AT_ONCE = 1_000


def settle(
    letters: Sequence[DeadLetter], state: LetterState, *, by: str, replay: UUID | None = None
) -> None:
    """Moves open letters that the caller holds, and counts them out of their groups."""
    DeadLetter.objects.filter(id__in=[letter.id for letter in letters]).update(
        state=state, settled_at=Now(), settled_by=by, replay=replay
    )
    counts = Counter(letter.signature_id for letter in letters)
    for signature, count in sorted(counts.items()):
        Signature.objects.filter(id=signature).update(open=F("open") - count)
    hooks.changed_on_commit(*(letter.public_id for letter in letters))


def discard(criteria: Criteria, *, actor: str) -> int:
    """Takes the open letters that meet the criteria off the list; gives how many.

    Their deliveries stay `dead` in the ledger: nothing is forgotten, only put away.
    """
    total = 0
    while True:
        with transaction.atomic():
            found = select.dead_letters(criteria).order_by("id").select_for_update()
            letters = list(found[:AT_ONCE])
            if not letters:
                break
            settle(letters, LetterState.DISCARDED, by=actor)
            for letter in letters if len(letters) == 1 else ():
                note(actor, "discard", letter.public_id, tenant=letter.owner)
            if len(letters) > 1:
                after = {"letters": len(letters), **criteria.as_json()}
                note(actor, "discard", "dead letters", tenant=criteria.tenant, after=after)
        total += len(letters)
    return total


def restore(criteria: Criteria, *, actor: str) -> int:
    """Undoes a discard: puts discarded letters that meet the criteria back; gives how many."""
    total = 0
    while count := _restore_some(criteria, actor):
        total += count
    return total


@transaction.atomic
def _restore_some(criteria: Criteria, actor: str) -> int:
    put_away = DeadLetter.objects.filter(state=LetterState.DISCARDED)
    found = select.narrowed(put_away, criteria).order_by("id").select_for_update()
    letters = list(found[:AT_ONCE])
    if not letters:
        return 0
    ids = [letter.id for letter in letters]
    DeadLetter.objects.filter(id__in=ids).update(
        state=LetterState.OPEN, settled_at=None, settled_by=""
    )
    for signature, count in sorted(Counter(letter.signature_id for letter in letters).items()):
        Signature.objects.filter(id=signature).update(open=F("open") + count)
    note(actor, "restore", "dead letters", tenant=criteria.tenant, after={"letters": len(ids)})
    hooks.changed_on_commit(*(letter.public_id for letter in letters))
    return len(letters)
