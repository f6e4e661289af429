"""The saved views of the list that is shown."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import HttpRequest

from events.console.person import actor_of
from events.models import SavedView
from events.roles import Role, role_in
from events.views import filter_of

register = template.Library()

MOST = 30
"""Views above a list."""


@register.inclusion_tag("events/_views.html", takes_context=True)
def saved_views(context: dict[str, Any]) -> dict[str, Any]:
    """A row of links, and the form that saves the filter as it is now."""
    request: HttpRequest = context["request"]
    me, role = actor_of(request), role_in(request)
    rows = SavedView.objects.seen_by(me).filter(path=request.path)[:MOST]
    query = filter_of(request.META["QUERY_STRING"])
    return {
        "views": [(row, row.owner == me or role >= Role.ADMIN, row.query == query) for row in rows],
        "path": request.path,
        "query": query,
        "may_share": role >= Role.OPERATOR,
        "csrf_token": context.get("csrf_token"),
    }
