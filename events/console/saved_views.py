"""Saving and deleting views of lists; they are shown above every list."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from events import views
from events.console.acting import act
from events.console.person import actor_of, may_operate
from events.models import SavedView
from events.models.saved_view import LISTS
from events.operate import WrongState
from events.roles import Role, needs, role_in


@require_POST
@needs(Role.VIEWER)
def view_save(request: HttpRequest) -> HttpResponse:
    """Keeps the list that was looked at; only those who may act can share it."""
    wanted = request.POST
    try:
        row = views.save_view(
            actor=actor_of(request),
            path=wanted.get("path", ""),
            query=wanted.get("query", ""),
            name=wanted.get("name", ""),
            shared=bool(wanted.get("shared")) and may_operate(request),
        )
    except WrongState as error:
        messages.error(request, str(error))
        path = wanted.get("path", "")
        return redirect(path if path in LISTS else "events")
    messages.success(request, f"Saved as “{row.name}”.")
    return redirect(row.href)


@require_POST
@needs(Role.VIEWER)
def view_delete(request: HttpRequest, view: UUID) -> HttpResponse:
    """One's own, or anybody's for an admin."""
    row = SavedView.objects.filter(id=view).first()
    every = role_in(request) >= Role.ADMIN
    return act(
        request,
        partial(views.delete_view, actor=actor_of(request), view=view, any_owner=every),
        done="The view is deleted; what it showed is not.",
        back=row.path if row else "/events/",
    )
