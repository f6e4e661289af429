"""Dead letters: in groups of what failed alike, and one by one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET

from dlq import select
from dlq.console.groups import GroupFilters, groups_of, side_of
from dlq.models import DeadLetter, LetterJob, LetterState, Signature
from dlq.models.dead_letter import DeadLetterQuerySet
from dlq.select import Criteria
from events.console.exchange import attempts_of, exchange_of
from events.console.export import Columns, file_of, wants_file
from events.console.inputs import Filters, IdField, MomentField, PatternField
from events.console.live import render_again
from events.console.named import Named, named, subscriptions_of
from events.console.paging import page_of
from events.console.person import may_operate
from events.models import Event
from events.roles import Role, needs
from events.rules import ids
from events.rules.ids import Prefix

COLUMNS: Columns = {
    "id": lambda row: row.public_id,
    "event": lambda row: ids.encode(Prefix.EVENT, row.event),
    "subscription": lambda row: ids.encode(Prefix.SUBSCRIPTION, row.subscription),
    "type": lambda row: row.event_type,
    "tenant": lambda row: row.owner,
    "state": lambda row: row.state,
    "attempts": lambda row: row.attempts,
    "status": lambda row: row.status,
    "error": lambda row: row.error,
    "reason": lambda row: row.reason,
    "died_at": lambda row: row.died_at,
    "settled_by": lambda row: row.settled_by,
}


EVER = "all"


class LetterFilters(Filters):
    """Without `state`, the open ones."""

    state = forms.ChoiceField(
        choices=[
            ("", "open"),
            *((s, s) for s in LetterState if s != LetterState.OPEN),
            (EVER, "all"),
        ],
        required=False,
    )
    subscription = IdField(Prefix.SUBSCRIPTION)
    type = PatternField(label="Event type")
    tenant = forms.CharField(max_length=200, required=False)
    group = forms.UUIDField(required=False, widget=forms.HiddenInput)
    replay = IdField(Prefix.REPLAY, widget=forms.HiddenInput)
    since = MomentField(label="Died from")
    until = MomentField(label="Died to")


def criteria_of(chosen: dict[str, Any]) -> Criteria:
    """What the filter says in the words of a replay."""
    names = {"until": "before"}
    wanted = {names.get(name, name): value for name, value in chosen.items() if name != "state"}
    return Criteria(**wanted)


def found_by(chosen: dict[str, Any]) -> DeadLetterQuerySet:
    state = chosen.get("state") or LetterState.OPEN
    letters = DeadLetter.objects.all()
    found = letters if state == EVER else letters.filter(state=state)
    return select.narrowed(found, criteria_of(chosen))


@require_GET
@needs(Role.VIEWER)
def dead_letters(request: HttpRequest) -> HttpResponse:
    """The groups that somebody still has to deal with, the newest death first."""
    filters = GroupFilters(request.GET)
    context = {
        "title": "Dead letters",
        "lede": "Deliveries whose attempts are spent, grouped by how they failed.",
        "filters": filters,
        "groups": groups_of(request, filters),
        "open": Signature.objects.with_open().letters(),
        "jobs": LetterJob.objects.running(),
    }
    return render_again(request, "dlq/groups.html", context)


@require_GET
@needs(Role.VIEWER)
def letters(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Dead letters one by one, of a group or of any filter."""
    filters = LetterFilters(request.GET)
    found = found_by(filters.chosen) if filters.is_valid() else DeadLetter.objects.none()
    if wants_file(request):
        return file_of(request, found, COLUMNS, name="dead-letters")
    page = page_of(request, found)
    context = {
        "title": "Dead letters, one by one",
        "filters": filters,
        "page": page,
        "rows": named(page.rows),
    }
    return render_again(request, "dlq/letters.html", context)


@require_GET
@needs(Role.VIEWER)
def group(request: HttpRequest, group: UUID) -> HttpResponse:
    """One group: what it has in common, a sample of the answers, its members."""
    row = get_object_or_404(Signature, id=group)
    page = page_of(request, DeadLetter.objects.open().filter(signature=row))
    sample = _sample(page.rows[0].id, values=may_operate(request)) if page.rows else None
    to = subscriptions_of([row.subscription]).get(row.subscription)
    context = {
        "title": row.error or "No answer",
        "group": row,
        "side": side_of(row),
        "members": f"{reverse('dead-letters-all')}?group={row.id}",
        "to": to,
        "page": page,
        "rows": [Named(letter, to) for letter in page.rows],
        "sample": sample,
    }
    return render_again(request, "dlq/group.html", context)


@require_GET
@needs(Role.VIEWER)
def dead_letter(request: HttpRequest, letter: UUID) -> HttpResponse:
    """One dead letter: why it died, the last exchange, what can be done."""
    row = get_object_or_404(DeadLetter.objects.select_related("signature"), id=letter)
    to = subscriptions_of([row.subscription]).get(row.subscription)
    event = Event.objects.filter(id=row.event).first()
    attempts, chosen = attempts_of(row.id, request.GET.get("attempt"))
    context = {
        "title": f"Dead letter {row.public_id}",
        "watch": [row.public_id],
        "letter": row,
        "side": side_of(row.signature),
        "to": to,
        "event": event,
        "attempts": attempts,
        "exchange": chosen and exchange_of(chosen, event, to, values=may_operate(request)),
    }
    return render_again(request, "dlq/letter.html", context)


def _sample(letter: UUID, *, values: bool) -> object:
    """The last exchange of one letter: the answer that the group is told by."""
    _, chosen = attempts_of(letter, None)
    return chosen and exchange_of(chosen, None, None, values=values)
