"""Repairs of dead letters and of the counts of their groups."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q

from dlq.bury import bury
from dlq.models import DeadLetter, LetterState, Signature
from events import statements
from events.hooks import Death
from events.recount import first_kept

AT_ONCE = 200

REPLAYS_AT_ONCE, COUNTED = 5, 20_000
"""Replays of one slice, and deliveries that are looked at of each: bounded, whatever was made."""

# Both sides of the view have an index that begins with the replay.
REPLAYED_TWICE = """
SELECT r.id, EXISTS (
    SELECT FROM (SELECT replay_source FROM events_delivery
                 WHERE replay_id = r.id LIMIT %(counted)s) AS made
    GROUP BY replay_source HAVING count(*) > 1) AS twice
FROM (SELECT id FROM dlq_replay WHERE id > %(after)s ORDER BY id LIMIT %(most)s) AS r
ORDER BY r.id
"""

# An EXISTS would be answered by hashing the whole of the history.
DEATHLESS = """
SELECT d.id, (SELECT true FROM events_finished AS f
              WHERE f.id = d.id AND f.state = 'dead') IS NULL AS deathless
FROM (SELECT id FROM dlq_deadletter
      WHERE id > %(after)s AND id >= %(kept)s ORDER BY id LIMIT %(most)s) AS d
ORDER BY d.id
"""


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


def replayed_twice(after: UUID) -> tuple[list[UUID], UUID | None]:
    """Replays of a slice that made two deliveries of one source. Not repaired: both may be sent."""
    values = {"after": after, "most": REPLAYS_AT_ONCE, "counted": COUNTED}
    rows = statements.rows(REPLAYED_TWICE, values)
    return [row.id for row in rows if row.twice], rows[-1].id if rows else None


def deathless(after: UUID) -> tuple[list[UUID], UUID | None]:
    """Dead letters of a slice whose delivery did not die. Not repaired: nobody knows which lies."""
    values = {"after": after, "most": AT_ONCE, "kept": first_kept()}
    rows = statements.rows(DEATHLESS, values)
    return [row.id for row in rows if row.deathless], rows[-1].id if rows else None
