"""The audit log: who did what to what, with before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from events.console.export import Columns, file_of, wants_file
from events.console.inputs import Filters, MomentField
from events.console.live import render_again
from events.console.paging import page_of
from events.models import AuditEntry
from events.roles import Role, needs

SHOWN, FIELDS = 48, 5
"""The characters of a value and the fields of an act that a row shows."""

COLUMNS: Columns = {
    "at": lambda row: row.at,
    "actor": lambda row: row.actor,
    "action": lambda row: row.action,
    "target": lambda row: row.target,
    "tenant": lambda row: row.tenant,
    "before": lambda row: row.before,
    "after": lambda row: row.after,
}


class AuditFilters(Filters):
    target = forms.CharField(
        max_length=100, required=False, widget=forms.TextInput(attrs={"placeholder": "sub_…"})
    )
    actor = forms.CharField(max_length=200, required=False)
    action = forms.CharField(max_length=100, required=False)
    since = MomentField(label="From")
    until = MomentField(label="To")


@dataclass(frozen=True, slots=True)
class Change:
    """One field that an act changed."""

    name: str
    before: object
    after: object

    @property
    def is_long(self) -> bool:
        return max(len(str(self.before)), len(str(self.after))) > SHOWN


@dataclass(frozen=True, slots=True)
class Act:
    entry: AuditEntry
    changes: Sequence[Change]

    @property
    def is_cut(self) -> bool:
        """Whether the row has no room for all of it."""
        return len(self.changes) > FIELDS or any(one.is_long for one in self.changes)


@require_GET
@needs(Role.VIEWER)
def audit(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The list, newest first; by target it is what happened to one thing."""
    filters = AuditFilters(request.GET)
    found = AuditEntry.objects.none()
    if filters.is_valid():
        lookups = {"since": "at__gte", "until": "at__lt"}
        wanted = {lookups.get(name, name): value for name, value in filters.chosen.items()}
        found = AuditEntry.objects.filter(**wanted)
    if wants_file(request):
        return file_of(request, found, COLUMNS, name="audit")
    page = page_of(request, found)
    context = {
        "title": "Audit log",
        "lede": "Every change, by whom; nothing here can be altered.",
        "filters": filters,
        "page": page,
        "acts": acts_of(page.rows),
    }
    return render_again(request, "events/audit.html", context)


def acts_of(entries: Sequence[AuditEntry]) -> list[Act]:
    return [Act(entry, changes_of(entry.before, entry.after)) for entry in entries]


def changes_of(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Sequence[Change]:
    """The fields that differ; those of one side alone where there is no other."""
    was, became = before or {}, after or {}
    names = [*became, *(name for name in was if name not in became)]
    return [
        Change(name, _said(was.get(name)), _said(became.get(name)))
        for name in names
        if (was.get(name) or None) != (became.get(name) or None)
    ]


def _said(value: object) -> object:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else value
