"""Dead letters that were ticked one by one: replayed or discarded together."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from dlq import settle
from dlq.console.discards import tell
from dlq.select import Criteria
from events.console.inputs import decoded_or_none
from events.console.person import actor_of
from events.roles import Role, needs
from events.rules.ids import Prefix

MOST = 200
"""Ids that a form posts: more than a page has rows."""


@require_POST
@needs(Role.OPERATOR)
def picked(request: HttpRequest) -> HttpResponse:
    """A replay goes on to its dry run; a discard is done, and letters that are settled are left."""
    texts = request.POST.getlist("ids")[:MOST]
    ids = [one for text in texts if (one := decoded_or_none(Prefix.DEAD_LETTER, text)) is not None]
    back = _back(request)
    if not ids:
        messages.error(request, "Tick some dead letters first.")
        return redirect(back)
    if request.POST.get("verb") == "replay":
        wanted = {"source": "dead_letters", "ids": ",".join(texts)}
        return redirect(f"{reverse('replay-new')}?{urlencode(wanted)}")
    tell(request, settle.discard(Criteria(ids=tuple(ids)), actor=actor_of(request)))
    return redirect(back)


def _back(request: HttpRequest) -> str:
    """The list that they were ticked in."""
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return back if safe and back.startswith("/dead-letters/") else reverse("dead-letters-all")
