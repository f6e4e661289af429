"""Rehearsing with built-in endpoints, before real ones go live; and those endpoints themselves."""

from __future__ import annotations

from functools import partial

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from events import operate
from events.console.acting import act
from events.console.person import actor_of
from events.problems import Problem
from events.rehearsal import BEHAVIOURS, MOST, Behaviour, answer, begin, known
from events.roles import Role, needs


class AmountForm(forms.Form):
    many = forms.IntegerField(min_value=1, max_value=MOST, initial=10, label="Events")


@require_GET
@needs(Role.ADMIN)
def rehearsal(request: HttpRequest) -> HttpResponse:
    """What can be rehearsed, and how far each is."""
    rows = known()
    context = {
        "title": "Rehearsal",
        "lede": "Built-in endpoints that behave as you choose: see retries, breakers and dead "
        "letters at work before your own endpoints go live.",
        "shown": [(one, rows.get(one.name)) for one in BEHAVIOURS.values()],
        "most": MOST,
        "address": request.build_absolute_uri("/"),
    }
    return render(request, "events/rehearsal.html", context)


@require_POST
@needs(Role.ADMIN)
def rehearse(request: HttpRequest, name: str) -> HttpResponse:
    """Publishes events for one behaviour."""
    behaviour, form = _found(name), AmountForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Between 1 and {MOST} events.")
        return redirect("rehearsal")
    many, base = form.cleaned_data["many"], request.build_absolute_uri("/")
    row = begin(behaviour, many=many, base=base, actor=actor_of(request))
    if isinstance(row, Problem):
        messages.error(request, row.detail)
        return redirect("rehearsal")
    messages.success(request, f"{many} events published: this endpoint {behaviour.does}.")
    return redirect("subscription", row.id)


@require_POST
@needs(Role.ADMIN)
def rehearsal_end(request: HttpRequest, name: str) -> HttpResponse:
    """Takes a behaviour's subscription away; what it is still owed is cancelled."""
    row = known().get(_found(name).name)
    if row is None:
        return redirect("rehearsal")
    return act(
        request,
        partial(operate.delete_subscription, actor=actor_of(request), subscription=row.id),
        done="Ended: its subscription is deleted, what it was owed is cancelled.",
        back=reverse("rehearsal"),
    )


@csrf_exempt
@require_POST
async def endpoint(request: HttpRequest, name: str) -> HttpResponse:
    """The endpoint itself: for whoever signs as we do."""
    status, words = await answer(_found(name), request.headers, request.body)
    return HttpResponse(words, status=status, content_type="text/plain")


def _found(name: str) -> Behaviour:
    if name not in BEHAVIOURS:
        raise Http404
    return BEHAVIOURS[name]
