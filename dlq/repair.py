"""Repairs of dead letters and of the counts of their groups."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q

from dlq.bury import bury
from dlq.models import DeadLetter, LetterState, Signature
from events.hooks import Death

AT_ONCE = 200


@transaction.atomic
def bury_forgotten(deaths: Sequence[Death]) -> list[UUID]:
    """Buries those of the dead that have no dead letter; gives them."""
    ids = [death.delivery for death in deaths]
    known = set(DeadLetter.objects.filter(id__in=ids).values_list("id", flat=True))
    forgotten = [death for death in deaths if death.delivery not in known]
    if forgotten:
        bury(forgotten)
    return [death.delivery for death in forgotten]


@transaction.atomic
def recount_groups(after: UUID) -> tuple[list[UUID], UUID | None]:
    """Recounts a slice of the groups; gives those that were wrong, and the slice's end."""
    held = list(Signature.objects.filter(id__gt=after).order_by("id").select_for_update()[:AT_ONCE])
    counted = (
        DeadLetter.objects.filter(signature__in=held)
        .values_list("signature")
        .annotate(total=Count("id"), open=Count("id", filter=Q(state=LetterState.OPEN)))
    )
    counts = {signature: (total, open_) for signature, total, open_ in counted}
    wrong = [group for group in held if (group.total, group.open) != counts.get(group.id, (0, 0))]
    for group in wrong:
        total, open_ = counts.get(group.id, (0, 0))
        Signature.objects.filter(id=group.id).update(total=total, open=open_)
    return [group.id for group in wrong], held[-1].id if held else None
