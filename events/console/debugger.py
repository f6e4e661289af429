"""The signature debugger: says which part of a received webhook is not what was signed."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from events.console.diagnose import Received, diagnose, parse_headers
from events.console.exchange import body_of
from events.models import Attempt, Delivery, Event, Subscription
from events.roles import Role, needs
from events.rules import ids
from events.rules.ids import Prefix


class DebuggerForm(forms.Form):
    """Nothing of it is kept: the answer is made from the request alone."""

    headers = forms.CharField(
        max_length=20_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
        help_text="As received, a header a line: webhook-id, webhook-timestamp, webhook-signature.",
    )
    body = forms.CharField(
        max_length=300_000,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false"}),
        help_text="The raw body, before any parsing.",
    )
    secret = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="whsec_…, whsk_… or whpk_…, to check with. Neither stored nor logged.",
    )


@sensitive_post_parameters("secret", "body", "headers")
@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def debugger(request: HttpRequest) -> HttpResponse:
    """Answers in place: a redirect would have to keep what was pasted."""
    form = DebuggerForm(request.POST if request.method == "POST" else None)
    findings = None
    if form.is_valid():
        received = Received(
            headers=parse_headers(form.cleaned_data["headers"]),
            # Browsers send every line end of a text area as CRLF.
            body=form.cleaned_data["body"].replace("\r\n", "\n").encode(),
            secret=form.cleaned_data["secret"].strip(),
        )
        findings = diagnose(received, sent=_sent(received), now=timezone.now())
    context = {
        "title": "Signature debugger",
        "lede": "Says which part of a received webhook is not what was signed.",
        "form": form,
        "findings": findings,
    }
    return render(request, "events/debugger.html", context)


def _sent(received: Received) -> Received | None:
    """What we sent under that webhook-id: the attempt of that timestamp, else the last one."""
    delivery = ids.decode(Prefix.DELIVERY, received.headers.get("webhook-id", "").strip())
    row = Delivery.objects.filter(id=delivery).first() if delivery else None
    event = Event.objects.filter(id=row.event).first() if row else None
    to = Subscription.objects.filter(id=row.subscription).first() if row else None
    if row is None or event is None or to is None:
        return None
    tries = [dict(a.request_headers) for a in Attempt.objects.of_delivery(row.id)]
    stamp = received.headers.get("webhook-timestamp", "").strip()
    same = [headers for headers in tries if headers.get("webhook-timestamp") == stamp]
    known = (same or tries[-1:] or [{}])[0]
    return Received(headers=known, body=body_of(event, to), secret="")
