"""What can be done to a subscription at once: pause, breaker, test, secret, delete."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from events import operate, probe
from events.console import lanes
from events.console.acting import act, refused
from events.console.person import actor_of
from events.models import Subscription
from events.operate import Undoable
from events.roles import Role, needs
from events.subscribing import new_secret

PAUSES = [
    ("", "until it is resumed"),
    ("15", "for 15 minutes"),
    ("60", "for an hour"),
    ("240", "for 4 hours"),
    ("1440", "for a day"),
]


class PauseForm(forms.Form):
    reason = forms.CharField(max_length=200, required=False, help_text="The next one will read it.")
    minutes = forms.TypedChoiceField(
        choices=PAUSES, coerce=int, empty_value=None, required=False, label="How long"
    )


class DisableForm(forms.Form):
    reason = forms.CharField(max_length=200, required=False)


class BreakerForm(forms.Form):
    minutes = forms.IntegerField(min_value=1, max_value=1440, initial=15)


@require_POST
@needs(Role.OPERATOR)
def pause(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Holds its deliveries back, for a while or until somebody resumes it."""
    form = PauseForm(request.POST)
    if not form.is_valid():
        return refused(request, form, back=_page(subscription))
    minutes = form.cleaned_data["minutes"]
    return act(
        request,
        partial(
            operate.pause,
            actor=actor_of(request),
            subscription=subscription,
            reason=form.cleaned_data["reason"],
            until=timezone.now() + timedelta(minutes=minutes) if minutes else None,
            anew=False,
        ),
        done="Paused. What is owed waits; nothing is lost and no attempt is spent.",
        back=_page(subscription),
        undo=reverse("subscription-resume", args=[subscription]),
    )


@require_POST
@needs(Role.OPERATOR)
def resume(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Ends a pause."""
    return act(
        request,
        partial(operate.resume, actor=actor_of(request), subscription=subscription),
        done="Resumed: what waited is due as it was.",
        back=_page(subscription),
        undo=partial(_undo, "subscription-undo-resume"),
    )


@require_POST
@needs(Role.OPERATOR)
def undo_resume(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Paused again, for as long as it was to be."""
    return _undone(request, subscription, "resume", "Paused again, as it was.")


@require_POST
@needs(Role.ADMIN)
def enable(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Active again, with a clean breaker."""
    return act(
        request,
        partial(operate.enable, actor=actor_of(request), subscription=subscription),
        done="Enabled: the lane ramps up, one delivery first.",
        back=_page(subscription),
    )


@require_POST
@needs(Role.ADMIN)
def disable(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """No deliveries until somebody enables it."""
    form = DisableForm(request.POST)
    if not form.is_valid():
        return refused(request, form, back=_page(subscription))
    reason = form.cleaned_data["reason"]
    return act(
        request,
        partial(operate.disable, actor=actor_of(request), subscription=subscription, reason=reason),
        done="Disabled. What is owed is kept.",
        back=_page(subscription),
        undo=partial(_undo, "subscription-undo-disable"),
    )


@require_POST
@needs(Role.ADMIN)
def undo_disable(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Active or paused again, whichever it was."""
    return _undone(request, subscription, "disable", "It is as it was before.")


@require_POST
@needs(Role.OPERATOR)
def open_breaker(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Parks the lane for a while."""
    form = BreakerForm(request.POST)
    if not form.is_valid():
        return refused(request, form, back=_page(subscription))
    minutes = form.cleaned_data["minutes"]
    return act(
        request,
        partial(
            operate.open_breaker,
            actor=actor_of(request),
            subscription=subscription,
            seconds=minutes * 60.0,
        ),
        done=f"The breaker is open for {minutes} min; then one delivery probes the endpoint.",
        back=_page(subscription),
        undo=reverse("subscription-close-breaker", args=[subscription]),
    )


@require_POST
@needs(Role.OPERATOR)
def close_breaker(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Forgets the failures."""
    return act(
        request,
        partial(operate.close_breaker, actor=actor_of(request), subscription=subscription),
        done="The breaker is closed: the lane ramps up, one delivery first.",
        back=_page(subscription),
    )


@require_POST
@needs(Role.OPERATOR)
def reset_breaker(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Forgets what was counted, and the ramp too."""
    return act(
        request,
        partial(operate.reset_breaker, actor=actor_of(request), subscription=subscription),
        done="The breaker is reset: the lane runs at full width.",
        back=_page(subscription),
    )


@require_POST
@needs(Role.OPERATOR)
def test(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Sends a test event, whatever the lane's state; its delivery says what came of it."""
    row = get_object_or_404(Subscription.objects.existing(), id=subscription)
    delivery = probe.send_test(row.id, actor=actor_of(request))
    messages.info(request, "A test is on its way; this page shows the answer when it is there.")
    return redirect("delivery", delivery)


@require_POST
@needs(Role.ADMIN)
@never_cache
def rotate(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Makes a signing secret and shows it, this once; the one before signs for a day more."""
    row = get_object_or_404(Subscription.objects.existing(), id=subscription)
    secret = new_secret("hmac")
    operate.rotate_secret(actor=actor_of(request), subscription=row.id, secret=secret)
    return show_secret(request, row, secret, fresh=False)


@require_http_methods(["GET", "POST"])
@needs(Role.ADMIN)
def delete(request: HttpRequest, subscription: UUID) -> HttpResponse:
    """Asks for the name first, and says what is cancelled with it."""
    row = get_object_or_404(Subscription.objects.existing(), id=subscription)
    word = row.name or row.public_id
    if request.method == "POST" and request.POST.get("name", "").strip() == word:
        cancelled = operate.delete_subscription(actor=actor_of(request), subscription=row.id)
        messages.success(request, f"Deleted {word}; {cancelled:,} deliveries were cancelled.")
        return redirect("subscriptions")
    owed = lanes.standing_of([row.id])[row.id].owed
    context = {
        "title": f"Delete {word}",
        "row": row,
        "word": word,
        "wrong": request.method == "POST",
        "effects": [
            f"{owed:,} deliveries that it is still owed are cancelled.",
            "New events no longer match it.",
            "Its history, dead letters and audit entries stay.",
        ],
    }
    return render(request, "events/subscription_delete.html", context)


def show_secret(
    request: HttpRequest, row: Subscription, secret: str, *, fresh: bool
) -> HttpResponse:
    """The page that shows a signing secret; there is no other."""
    context = {
        "title": "The signing secret",
        "lede": "Give it to the receiver. It is shown this once.",
        "row": row,
        "secret": secret,
        "fresh": fresh,
    }
    return render(request, "events/secret.html", context)


def _undone(request: HttpRequest, subscription: UUID, action: Undoable, done: str) -> HttpResponse:
    since = parse_datetime(request.GET.get("since", ""))
    if since is None:
        raise Http404
    return act(
        request,
        partial(
            operate.undo,
            actor=actor_of(request),
            subscription=subscription,
            action=action,
            since=since,
        ),
        done=done,
        back=_page(subscription),
    )


def _undo(name: str, row: Subscription) -> str:
    """The path that takes back what left the subscription so."""
    return f"{reverse(name, args=[row.id])}?{urlencode({'since': row.state_since.isoformat()})}"


def _page(subscription: UUID) -> str:
    return reverse("subscription", args=[subscription])
