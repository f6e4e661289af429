"""Replays: a dry run, then the job, its progress and its outcome."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dlq import replay as engine
from dlq.console.counted import query_of
from dlq.console.dryrun import DryRun, dry_run
from dlq.console.progress import outcomes_of, progress_of
from dlq.console.replay_form import RATE, ReplayForm
from dlq.models import Replay, ReplayState
from dlq.models.replay import ReplaySource
from dlq.plan import MANY, Order, takes_long
from events.console.acting import tell_if_running
from events.console.inputs import Filters, equal
from events.console.live import render_again
from events.console.named import subscriptions_of
from events.console.paging import TooLate, page_of
from events.console.person import actor_of
from events.roles import Role, needs

TOO_LATE = "Counting these took more than ten seconds. Narrow it by time, type or subscription."
MOVED = "The set moved while you looked: this is what it would replay now."


class ReplayFilters(Filters):
    state = forms.ChoiceField(choices=[("", "any"), *((s, s) for s in ReplayState)], required=False)
    source = forms.ChoiceField(
        choices=[("", "any"), *((s, s.replace("_", " ")) for s in ReplaySource)], required=False
    )
    by = forms.CharField(
        max_length=200, required=False, widget=forms.TextInput(attrs={"placeholder": "user:…"})
    )


@require_GET
@needs(Role.VIEWER)
def replays(request: HttpRequest) -> HttpResponse:
    """The list, newest first."""
    filters = ReplayFilters(request.GET)
    found = Replay.objects.none()
    if filters.is_valid():
        wanted = equal(filters.chosen, state="state", source="source", by="created_by")
        found = Replay.objects.filter(wanted)
    context = {
        "title": "Replays",
        "lede": "Jobs that send again what failed, or what the event log holds.",
        "filters": filters,
        "page": page_of(request, found),
        "running": Replay.objects.running().count(),
    }
    return render_again(request, "dlq/replays.html", context)


@require_GET
@needs(Role.VIEWER)
def replay(request: HttpRequest, replay: UUID) -> HttpResponse:
    """One replay: how far, how fast, by whom, and what came of it."""
    row = get_object_or_404(Replay, id=replay)
    context = {
        "title": f"Replay {row.public_id}",
        "watch": [row.public_id],
        "replay": row,
        "progress": progress_of(row, timezone.now()),
        "outcomes": outcomes_of(row),
        "target": subscriptions_of([row.target] if row.target else []).get(row.target or row.id),
        "criteria": {name: value for name, value in row.criteria.items() if value},
    }
    return render_again(request, "dlq/replay.html", context)


@require_POST
@needs(Role.OPERATOR)
def cancel(request: HttpRequest, replay: UUID) -> HttpResponse:
    """Stops it; what it made stays owed."""
    stopped = engine.cancel(replay, actor=actor_of(request))
    tell_if_running(request, "Cancelled. What it made so far stays owed.", was_running=stopped)
    return redirect("replay", replay)


class RateForm(forms.Form):
    """How fast a running replay goes on."""

    rate = forms.FloatField(min_value=0.01, max_value=100_000, label="Deliveries a second")


@require_POST
@needs(Role.OPERATOR)
def change_rate(request: HttpRequest, replay: UUID) -> HttpResponse:
    """Slower or faster, from its next step on."""
    form, before = RateForm(request.POST), get_object_or_404(Replay, id=replay).rate
    if not form.is_valid():
        messages.error(request, "Give a rate from 0.01 to 100,000 deliveries a second.")
    else:
        rate = form.cleaned_data["rate"]
        was = f"{before:g} a second" if before else "as fast as it goes"
        changed = engine.set_rate(replay, rate=rate, actor=actor_of(request))
        words = f"It goes on at {rate:g} a second; it was {was}."
        tell_if_running(request, words, was_running=changed)
    return redirect("replay", replay)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def replay_new(request: HttpRequest) -> HttpResponse:
    """The dry run; a POST with its digest starts the replay if nothing has moved since."""
    if request.method == "POST":
        return _start(request)
    if not request.GET:
        return _shown(request, ReplayForm(initial=_initial()))
    if request.GET.get("ids") and "target" not in request.GET and _of_events(request):
        # It comes from an event: nobody has been asked yet where to send it.
        return _shown(request, ReplayForm(initial={**_initial(), **request.GET.dict()}))
    form = ReplayForm({**_initial(), **request.GET.dict()})
    if not form.is_valid():
        return _shown(request, form)
    return _tried(request, form)


def _start(request: HttpRequest) -> HttpResponse:
    form = ReplayForm(request.POST)
    if not form.is_valid():
        return _shown(request, form, status=422)
    # A second click of the same form meets the replay that the first one started.
    token = request.POST.get("token", "")[:64]
    known = Replay.objects.filter(token=token).first()
    if known is not None:
        return redirect("replay", known.id)
    order = form.order(token=token or uuid4().hex)
    found = _counted(form, order)
    if found is None:
        return _shown(request, form, status=422)
    if found.digest != request.POST.get("digest"):
        return _shown(request, form, order, found, status=409)
    row = engine.start(order, actor=actor_of(request))
    return redirect("replay", row.id)


def _tried(request: HttpRequest, form: ReplayForm) -> HttpResponse:
    """The dry run; where counting is long the page comes at once, and then asks for the number."""
    order = form.order(token=uuid4().hex)
    if "counted" not in request.GET and takes_long(order):
        query = request.GET.copy()
        query["counted"] = "all"
        return _shown(request, form, later=f"?{query.urlencode()}")
    return _shown(request, form, order, _counted(form, order))


def _counted(form: ReplayForm, order: Order) -> DryRun | None:
    """The dry run; None, and words in the form, where counting takes too long."""
    try:
        return dry_run(order)
    except TooLate:
        form.add_error(None, TOO_LATE)
        return None


def _shown(
    request: HttpRequest,
    form: ReplayForm,
    order: Order | None = None,
    found: DryRun | None = None,
    *,
    later: str = "",
    status: int = 200,
) -> HttpResponse:
    posted = form.as_posted(order, digest=found.digest) if order and found else {}
    context: dict[str, Any] = {
        "title": "New replay",
        "lede": "First a dry run: what would be sent, to whom, how fast. It writes nothing.",
        "form": form,
        "found": found,
        "later": later,
        "many": MANY,
        "moved": MOVED if status == 409 else "",
        "hidden": posted,
        "listed": f"{reverse('replay-new-counted')}?{query_of(posted)}",
    }
    return render(request, "dlq/replay_new.html", context, status=status)


def _of_events(request: HttpRequest) -> bool:
    return request.GET.get("source") == ReplaySource.EVENTS


def _initial() -> dict[str, Any]:
    return {"source": ReplaySource.DEAD_LETTERS, "rate": RATE}
