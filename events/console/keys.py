"""API keys: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from events import access
from events.console.acting import act
from events.console.live import render_again
from events.console.paging import page_of
from events.console.person import actor_of
from events.models import ApiKey
from events.models.access import Scope
from events.roles import Role, needs

LIFETIMES = [
    ("", "never"),
    ("1", "in a day"),
    ("30", "in 30 days"),
    ("90", "in 90 days"),
    ("365", "in a year"),
]


class KeyForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="Whose key it is: the audit log names it.")
    scopes = forms.MultipleChoiceField(
        choices=[
            (Scope.PUBLISH, "publish: send events"),
            (Scope.READ, "read: events, deliveries, status"),
            (Scope.MANAGE, "manage: subscriptions, retries, replays"),
        ],
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.PUBLISH],
    )
    tenant = forms.CharField(
        max_length=200, required=False, help_text="The key sees and publishes this tenant's only."
    )
    expires = forms.TypedChoiceField(
        choices=LIFETIMES, coerce=int, empty_value=None, required=False, label="Expires"
    )

    def order(self) -> dict[str, Any]:
        """What to make, from the cleaned values."""
        days = self.cleaned_data["expires"]
        return {
            "name": self.cleaned_data["name"],
            "scopes": self.cleaned_data["scopes"],
            "tenant": self.cleaned_data["tenant"] or None,
            "expires_at": timezone.now() + timedelta(days=days) if days else None,
        }


@require_http_methods(["GET", "HEAD"])
@needs(Role.ADMIN)
def keys(request: HttpRequest) -> HttpResponse:
    """The list, and the form for whoever may make one."""
    return _listed(request, KeyForm())


@require_POST
@needs(Role.ADMIN)
@never_cache
def key_new(request: HttpRequest) -> HttpResponse:
    """Makes a key and shows it, this once: no redirect, because its text is kept nowhere."""
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _listed(request, form, status=422)
    row, text = access.issue_key(actor=actor_of(request), **form.order())
    address = request.build_absolute_uri("/").rstrip("/")
    context = {
        "title": f"The key {row.name}",
        "lede": "It is shown this once: we keep only what checks it.",
        "key": row,
        "text": text,
        "address": address,
    }
    return render(request, "events/key_made.html", context)


@require_POST
@needs(Role.ADMIN)
def key_revoke(request: HttpRequest, key: UUID) -> HttpResponse:
    """Ends a key: for good, and within five seconds everywhere."""
    return act(
        request,
        partial(access.revoke_key, actor=actor_of(request), key=key),
        done="Revoked. No process takes it after five seconds.",
        back=reverse("keys"),
    )


def _listed(request: HttpRequest, form: KeyForm, *, status: int = 200) -> HttpResponse:
    page = page_of(request, ApiKey.objects.all())
    context = {
        "title": "API keys",
        "lede": "What producers and tools come in with.",
        "form": form,
        "page": page,
        "now": timezone.now(),
    }
    return render_again(request, "events/keys.html", context, status=status)
