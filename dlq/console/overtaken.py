"""What others dealt with before a replay came to it, one by one."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from dlq import overtaken as query
from dlq.console import sources
from dlq.models import Replay
from events.roles import Role, needs


@require_GET
@needs(Role.VIEWER)
def overtaken(request: HttpRequest, replay: UUID) -> HttpResponse | StreamingHttpResponse:
    """The sources behind the number that a replay says others have settled."""
    row = get_object_or_404(Replay, id=replay)
    return sources.listed(
        request,
        query.overtaken(row),
        "dlq/overtaken.html",
        {"title": "Settled by others", "watch": [row.public_id], "replay": row},
        source=row.source,
        name="settled-by-others",
    )
