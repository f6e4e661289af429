"""Saved views: somebody keeps a list with its filter under a name, for themselves or for all."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.http import QueryDict

from events.audit import note
from events.models import SavedView
from events.models.saved_view import LISTS, NAME_MAX, QUERY_MAX
from events.operate import WrongState
from events.uuids import new_uuid

MOST = 50
"""Views that one person keeps."""

NOT_KEPT = ("before", "after", "export", "newest", "rows")
"""What says which page of a list is looked at, and not which list."""


def filter_of(query: str) -> str:
    """The filter alone of a query string, in the order in which it came."""
    found = QueryDict(query, mutable=True)
    for name in [name for name in found if name in NOT_KEPT or not any(found.getlist(name))]:
        del found[name]
    return found.urlencode()


@transaction.atomic
def save_view(*, actor: str, path: str, query: str, name: str, shared: bool) -> SavedView:
    """Keeps one, in place of one of the same name. Raises WrongState for what is no view."""
    name, query = name.strip(), filter_of(query)
    if path not in LISTS:
        raise WrongState("Only a list can be kept as a view.")
    if not 1 <= len(name) <= NAME_MAX:
        raise WrongState(f"A view's name has 1 to {NAME_MAX} characters.")
    if not query or len(query) > QUERY_MAX:
        raise WrongState(f"A view needs a filter, of at most {QUERY_MAX} characters.")
    if SavedView.objects.filter(owner=actor).exclude(path=path, name=name).count() >= MOST:
        raise WrongState(f"You have {MOST} views. Delete one first.")
    fields = {"query": query, "shared": shared}
    try:
        row, _ = SavedView.objects.update_or_create(
            owner=actor,
            path=path,
            name=name,
            defaults=fields,
            create_defaults=fields | {"id": new_uuid()},
        )
    except IntegrityError:
        raise WrongState("Somebody saved a view of this name at the same moment.") from None
    note(actor, "save-view", f"view:{name}", after={"path": path, **fields})
    return row


@transaction.atomic
def delete_view(*, actor: str, view: UUID, any_owner: bool) -> None:
    """Raises SavedView.DoesNotExist if it is not there, or is somebody else's."""
    rows = SavedView.objects.select_for_update()
    row = (rows if any_owner else rows.filter(owner=actor)).get(id=view)
    before = {"path": row.path, "query": row.query, "shared": row.shared}
    row.delete()
    note(actor, "delete-view", f"view:{row.name}", before=before)
