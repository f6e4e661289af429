"""Bulk retry and cancel: a dry run, then the job, its progress and its outcome."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from events import bulk as engine
from events.bulk import Order
from events.console.acting import tell_if_running
from events.console.bulk_form import BulkForm
from events.console.bulk_plan import DryRun, Progress, asked_for, dry_run, progress_of
from events.console.live import render_again
from events.console.paging import TooLate, page_of
from events.console.person import actor_of
from events.models import BulkJob
from events.models.bulk import BulkVerb
from events.roles import Role, needs

TOO_LATE = "Counting these took more than ten seconds. Narrow it by time, status or subscription."
MOVED = "The set grew while you looked: this is what it would act on now."
NONE_TICKED = "Tick some deliveries first, or all that match."


@require_GET
@needs(Role.VIEWER)
def bulk_jobs(request: HttpRequest) -> HttpResponse:
    """The list, newest first."""
    context = {
        "title": "Bulk jobs",
        "lede": "Retries and cancels of many deliveries at once.",
        "page": page_of(request, BulkJob.objects.all()),
        "running": BulkJob.objects.running().count(),
    }
    return render_again(request, "events/bulk_jobs.html", context)


@require_GET
@needs(Role.VIEWER)
def bulk_job(request: HttpRequest, bulk: UUID) -> HttpResponse:
    """One job: how far, by whom, and what came of it."""
    row = get_object_or_404(BulkJob, id=bulk)
    progress: Progress = progress_of(row, timezone.now())
    context = {
        "title": f"Bulk {row.verb}",
        "watch": [row.public_id],
        "job": row,
        "progress": progress,
        "criteria": asked_for(row),
    }
    return render_again(request, "events/bulk_job.html", context)


@require_POST
@needs(Role.OPERATOR)
def bulk_cancel(request: HttpRequest, bulk: UUID) -> HttpResponse:
    """Stops it; what it did stays done."""
    stopped = engine.cancel(bulk, actor=actor_of(request))
    tell_if_running(request, "Stopped. What it did so far stays done.", was_running=stopped)
    return redirect("bulk-job", bulk)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def bulk_new(request: HttpRequest) -> HttpResponse:
    """The dry run; a POST with its digest starts the job unless the set has grown since."""
    if request.method == "POST":
        return _start(request)
    form = BulkForm.of_list(request.GET)
    if form.is_valid() and not form.says_which:
        messages.error(request, NONE_TICKED)
        return redirect(f"{reverse('deliveries')}?{form.as_list()}")
    if not form.is_valid():
        return _shown(request, form, status=422)
    order = form.order(token=uuid4().hex)
    return _shown(request, form, order, _counted(form, order))


def _start(request: HttpRequest) -> HttpResponse:
    form = BulkForm(request.POST)
    if not form.is_valid():
        return _shown(request, form, status=422)
    # A second click of the same form meets the job that the first one started.
    token = request.POST.get("token", "")[:64]
    known = BulkJob.objects.filter(token=token).first()
    if known is not None:
        return redirect("bulk-job", known.id)
    order = form.order(token=token or uuid4().hex)
    found = _counted(form, order)
    if found is None:
        return _shown(request, form, status=422)
    if not found.total or not found.agreed(order, request.POST):
        return _shown(request, form, order, found, status=409)
    return redirect("bulk-job", engine.start(order, actor=actor_of(request)).id)


def _counted(form: BulkForm, order: Order) -> DryRun | None:
    """The dry run; None, and words in the form, where counting takes too long."""
    try:
        return dry_run(order)
    except TooLate:
        form.add_error(None, TOO_LATE)
        return None


def _shown(
    request: HttpRequest,
    form: BulkForm,
    order: Order | None = None,
    found: DryRun | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    verb = form.cleaned_data.get("verb", "")
    context: dict[str, Any] = {
        "title": "Cancel deliveries" if verb == BulkVerb.CANCEL else "Retry deliveries",
        "lede": "First a dry run: how many, and to whom. It writes nothing.",
        "form": form,
        "verb": verb,
        "found": found,
        "moved": MOVED if status == 409 and found and found.total else "",
        "back": f"{reverse('deliveries')}?{form.as_list()}",
        "hidden": form.as_posted(order) | found.as_posted(order) if order and found else {},
    }
    return render(request, "events/bulk_new.html", context, status=status)
