"""What a replay leaves out: sources whose event or subscription is gone when it comes to them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from dlq.models import Replay, ReplaySkip
from events import statements
from events.redeliver import Redelivery

AT_ONCE = 5_000


# One exchange for the whole step: by the ORM, 500 rows took longer than it takes to make as many
# deliveries. A join or an EXISTS could be answered by reading the log through.
SKIP = """
INSERT INTO dlq_replayskip (replay_id, source, reason)
SELECT %(replay)s, r.source,
    CASE WHEN (SELECT true FROM events_event AS e WHERE e.id = r.event) IS NULL
        THEN 'event_gone' ELSE 'subscription_gone' END
FROM unnest(%(source)s::uuid[], %(event)s::uuid[]) AS r(source, event)
"""


def skip(left: Sequence[Redelivery], *, replay: UUID) -> None:
    """Keeps what could not be made and why, in the caller's transaction, which counts it."""
    if not left:
        return
    sources = {"source": [item.source for item in left], "event": [item.event for item in left]}
    statements.rows(SKIP, {"replay": replay, **sources})


def forget_skips() -> None:
    """Drops what replays left out that are long over, a slice a transaction."""
    last = UUID(int=0)
    while found := ReplaySkip.objects.next_old(last):
        last = found
        if Replay.objects.long_over().filter(id=last).exists():
            while _forget_some(last):
                """Until nothing of it is left."""


@transaction.atomic
def _forget_some(replay: UUID) -> int:
    its = ReplaySkip.objects.filter(replay=replay)
    some = list(its.order_by("source").values_list("source", flat=True)[:AT_ONCE])
    return its.filter(source__in=some).delete()[0]
