"""Discarding dead letters: one, a group, or all that match; each has one click that undoes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dlq import clear, select, settle
from dlq.console.letters import LetterFilters, criteria_of
from dlq.models import DeadLetter, JobState, LetterJob, LetterVerb, Signature
from dlq.select import Criteria
from dlq.settle import Discarded
from events.console.acting import tell_if_running
from events.console.inputs import MomentField
from events.console.live import render_again
from events.console.named import subscriptions_of
from events.console.paging import TooLate, in_time
from events.console.person import actor_of
from events.models import Subscription
from events.roles import Role, needs

SECONDS = 10
"""The look before a discard counts exactly, so it may take longer than a list."""

TOO_LATE = "Counting these took more than ten seconds. Narrow it by time, type or subscription."


class RestoreFilters(LetterFilters):
    """`at` is the moment of the discard that is undone."""

    at = MomentField(widget=forms.HiddenInput)


@dataclass(frozen=True, slots=True)
class Share:
    """What of it failed at one endpoint."""

    to: Subscription | None
    count: int


@require_POST
@needs(Role.OPERATOR)
def discard(request: HttpRequest, letter: UUID) -> HttpResponse:
    """Takes one letter off the list."""
    row = get_object_or_404(DeadLetter, id=letter)
    done = settle.discard(Criteria(ids=(row.id,)), actor=actor_of(request))
    tell(request, done)
    return redirect("dead-letter", row.id)


@require_POST
@needs(Role.OPERATOR)
def discard_group(request: HttpRequest, group: UUID) -> HttpResponse:
    """Takes the open letters of a group off the list."""
    row = get_object_or_404(Signature, id=group)
    criteria = Criteria(group=row.id, before=timezone.now())
    job = clear.discard(criteria, actor=actor_of(request))
    return _after(request, job, back=reverse("dead-letters"))


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def discard_matching(request: HttpRequest) -> HttpResponse:
    """How many match a list's filter, and where they failed; a POST puts those away.

    What dies after the look is not in it: the form holds its moment.
    """
    filters = LetterFilters(request.GET)
    if not filters.is_valid() or filters.chosen.get("state"):
        return redirect(f"{reverse('dead-letters-all')}?{request.GET.urlencode()}")
    asked = {**filters.chosen, "until": filters.chosen.get("until") or timezone.now()}
    criteria = criteria_of(asked)
    if request.method == "POST":
        job = clear.discard(criteria, actor=actor_of(request))
        return _after(request, job, back=_list(request))
    try:
        shares = _shares(criteria)
    except TooLate:
        messages.error(request, TOO_LATE)
        return redirect(_list(request))
    context: dict[str, Any] = {
        "title": "Discard dead letters",
        "lede": "First a look: how many, and where they failed. It writes nothing.",
        "total": sum(share.count for share in shares),
        "shares": shares,
        "back": _list(request),
        "until": asked["until"].isoformat(),
    }
    return render(request, "dlq/discard.html", context)


@require_POST
@needs(Role.OPERATOR)
def restore(request: HttpRequest, letter: UUID) -> HttpResponse:
    """Puts a discarded letter back on the list."""
    row = get_object_or_404(DeadLetter, id=letter)
    _told_of(request, settle.restore(Criteria(ids=(row.id,)), actor=actor_of(request)))
    return redirect("dead-letter", row.id)


@require_POST
@needs(Role.OPERATOR)
def restore_matching(request: HttpRequest) -> HttpResponse:
    """Puts back what one discard took, or what a list's filter says."""
    filters = RestoreFilters(request.GET)
    if not filters.is_valid():
        messages.error(request, "The filter is not valid, so nothing was put back.")
        return redirect("dead-letters-all")
    chosen = dict(filters.chosen)
    at = chosen.pop("at", None)
    job = clear.restore(criteria_of(chosen), actor=actor_of(request), moment=at)
    return _after(request, job, back=reverse("dead-letters"))


@require_GET
@needs(Role.VIEWER)
def letter_job(request: HttpRequest, job: UUID) -> HttpResponse:
    """How far a discard or a restore of many letters has come."""
    row = get_object_or_404(LetterJob, id=job)
    context = {
        "title": f"{row.verb.capitalize()} of dead letters",
        "job": row,
        "undo": _undo(row.moment) if row.moment and row.verb == LetterVerb.DISCARD else "",
    }
    return render_again(request, "dlq/letter_job.html", context)


@require_POST
@needs(Role.OPERATOR)
def letter_job_cancel(request: HttpRequest, job: UUID) -> HttpResponse:
    """Stops it; what it moved stays so."""
    stopped = clear.cancel(job, actor=actor_of(request))
    tell_if_running(request, "Stopped. What it did so far stays done.", was_running=stopped)
    return redirect("letter-job", job)


def _after(request: HttpRequest, job: LetterJob, *, back: str) -> HttpResponse:
    """Where somebody goes on: a few letters are moved by now, many are followed on their page."""
    if job.state == JobState.RUNNING:
        return redirect("letter-job", job.id)
    if job.verb == LetterVerb.DISCARD and job.moment is not None:
        tell(request, Discarded(job.moved, job.moment))
    else:
        _told_of(request, job.moved)
    return redirect(back)


def tell(request: HttpRequest, done: Discarded) -> None:
    """Says how many were discarded, with the click that takes it back."""
    if not done.count:
        messages.info(request, "There was nothing open to discard.")
        return
    words = f"Discarded {done.count:,}. In the ledger they stay dead."
    messages.success(request, words, extra_tags=_undo(done.at))


def _undo(at: datetime) -> str:
    """The path that a POST to puts back what was discarded at that moment."""
    return f"{reverse('dead-letters-restore')}?{urlencode({'at': at.isoformat()})}"


def _told_of(request: HttpRequest, count: int) -> None:
    if count:
        messages.success(request, f"Put {count:,} back on the list.")
    else:
        messages.info(request, "Nothing was put back: none of them is discarded any more.")


def _shares(criteria: Criteria) -> Sequence[Share]:
    with in_time(SECONDS):
        found = select.dead_letters(criteria).values_list("subscription")
        rows = list(found.annotate(n=Count("id")).order_by("-n"))
        known = subscriptions_of(subscription for subscription, _ in rows)
    return [Share(known.get(subscription), n) for subscription, n in rows]


def _list(request: HttpRequest) -> str:
    """The list that this came from; the moment of the look is not part of its filter."""
    return f"{reverse('dead-letters-all')}?{request.GET.urlencode()}".rstrip("?")
