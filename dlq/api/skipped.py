"""What a replay left out, over REST."""

from __future__ import annotations

from datetime import datetime

from ninja import Query, Router
from pydantic import BaseModel, Field

from dlq.api.replays import KINDS
from dlq.models import Replay, ReplaySkip, SkipReason
from dlq.models.replay import ReplaySource
from events.api.callers import READ, Request
from events.api.inputs import ReplayId
from events.api.pages import Page, Paging, rows_of
from events.rules import ids

router = Router()


class SkipShown(BaseModel):
    """What a replay came to and could not send."""

    id: str = Field(description="`dlq_…` or `evt_…`.")
    reason: SkipReason
    at: datetime


@router.get("/replays/{replay_id}/skipped", auth=READ, response=Page[SkipShown])
def list_skipped(request: Request, replay_id: ReplayId, filters: Query[Paging]) -> Page[SkipShown]:
    """What it left out: the `skipped` of the replay, until the retention after its end is over."""
    job = Replay.objects.seen_by(request.auth.tenant).get(id=replay_id)
    kind = KINDS[ReplaySource(job.source)]
    rows, following = rows_of(request, filters, ReplaySkip.objects.of(job.id), key="source")
    shown = [
        SkipShown(id=ids.encode(kind, row.source), reason=SkipReason(row.reason), at=row.at)
        for row in rows
    ]
    return Page[SkipShown](data=shown, next_cursor=following)
