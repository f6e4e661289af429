"""Making and changing a subscription."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from events import operate
from events.console.live import render_live
from events.console.person import actor_of
from events.console.steering import show_secret
from events.console.subscription_form import SubscriptionForm
from events.console.trial import try_out
from events.models import Subscription
from events.roles import Role, needs
from events.subscribing import new_secret

TRY = "try"
"""The value of the button that tries the filter instead of saving."""


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
@never_cache
def new(request: HttpRequest) -> HttpResponse:
    """Makes one and shows its signing secret, this once."""
    if request.method != "POST":
        return _form(request, SubscriptionForm(initial=request.GET.dict()))
    if request.POST.get("do") == TRY:
        return _tried(request, SubscriptionForm(request.POST), request.POST.get("tenant") or None)
    form = SubscriptionForm(request.POST)
    if not form.is_valid():
        return _form(request, form, status=422)
    actor, secret = actor_of(request), new_secret("hmac")
    row = operate.create_subscription(actor=actor, fields=form.checked, secret=secret)
    if form.cleaned_data["paused"]:
        operate.pause(actor=actor, subscription=row.id, reason="not tested yet")
    return show_secret(request, row, secret, fresh=True)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.ADMIN)
def edit(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Changes one; what is owed already goes by the new words from the next attempt on."""
    row = get_object_or_404(Subscription.objects.existing(), id=subscription)
    if request.method != "POST":
        return _form(request, SubscriptionForm(current=row))
    form = SubscriptionForm(request.POST, current=row)
    if request.POST.get("do") == TRY:
        return _tried(request, form, row.tenant)
    if not form.is_valid():
        return _form(request, form, status=422)
    operate.change_subscription(actor=actor_of(request), subscription=row.id, fields=form.checked)
    messages.success(request, "Saved. Workers use it from their next claim on.")
    return redirect("subscription", row.id)


def _tried(request: HttpRequest, form: SubscriptionForm, tenant: str | None) -> HttpResponse:
    """For htmx only the result; without it the form as it stood, with the result in it."""
    form.is_valid()
    context = {**_context(form), "trial": try_out(request.POST, tenant=tenant)}
    return render_live(request, "events/subscription_form.html", "events/_trial.html", context)


def _form(request: HttpRequest, form: SubscriptionForm, *, status: int = 200) -> HttpResponse:
    return render(request, "events/subscription_form.html", _context(form), status=status)


def _context(form: SubscriptionForm) -> dict[str, object]:
    row = form.current
    return {
        "title": f"Edit {row}" if row else "New subscription",
        "lede": "" if row else "Where events go, which ones, and how hard we try.",
        "form": form,
        "row": row,
    }
