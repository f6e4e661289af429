"""What a replay left out, one by one, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from dlq.models import DeadLetter, Replay, ReplaySkip
from dlq.models.replay import ReplaySource
from events.console.live import render_again
from events.console.named import subscriptions_of
from events.console.paging import page_of
from events.models import Event, Subscription
from events.roles import Role, needs
from events.rules import ids
from events.rules.ids import Prefix

FORGOTTEN = "It left out {:,}. Which ones is kept for {} days after its end."


@dataclass(frozen=True, slots=True)
class LeftOut:
    """`id` is public; `type` is empty where the event of an event's replay is gone."""

    row: ReplaySkip
    id: str
    type: str
    subscription: UUID | None
    to: Subscription | None


@require_GET
@needs(Role.VIEWER)
def left_out(request: HttpRequest, replay: UUID) -> HttpResponse:
    """The sources that were counted as left out, newest first."""
    row = get_object_or_404(Replay, id=replay)
    page = page_of(request, ReplaySkip.objects.of(row.id), key="source")
    context = {
        "title": "Left out",
        "watch": [row.public_id],
        "replay": row,
        "page": page,
        "rows": _of_events(row, page.rows) if _is_of_events(row) else _of_letters(row, page.rows),
        "forgotten": FORGOTTEN.format(row.skipped, settings.REDRIVE_RETENTION_DAYS),
    }
    return render_again(request, "dlq/left_out.html", context)


def _is_of_events(row: Replay) -> bool:
    return row.source == ReplaySource.EVENTS


def _of_letters(job: Replay, rows: Sequence[ReplaySkip]) -> list[LeftOut]:
    letters = DeadLetter.objects.in_bulk([row.source for row in rows])
    to = {one: job.target or letter.subscription for one, letter in letters.items()}
    known = subscriptions_of(to.values())
    return [
        LeftOut(
            row,
            ids.encode(Prefix.DEAD_LETTER, row.source),
            letters[row.source].event_type,
            to[row.source],
            known.get(to[row.source]),
        )
        for row in rows
    ]


def _of_events(job: Replay, rows: Sequence[ReplaySkip]) -> list[LeftOut]:
    sources = [row.source for row in rows]
    types = dict(Event.objects.filter(id__in=sources).values_list("id", "type"))
    to = subscriptions_of([job.target] if job.target else [])
    return [
        LeftOut(
            row,
            ids.encode(Prefix.EVENT, row.source),
            types.get(row.source, ""),
            job.target,
            to.get(job.target) if job.target else None,
        )
        for row in rows
    ]
