"""The page on which a dead letter's data is corrected before it is sent again."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from dlq.amend import send_amended
from dlq.models import DeadLetter
from events.console.inputs import IdField
from events.console.named import subscriptions_of
from events.console.person import actor_of
from events.models import Event
from events.operate import WrongState
from events.roles import Role, needs
from events.rules.ids import Prefix


class AmendForm(forms.Form):
    content = forms.CharField(
        label="Data",
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "class": "mono"}),
        required=False,
        strip=False,
        help_text="JSON stays JSON. The event itself is not changed: this makes a new one.",
    )
    to = IdField(
        Prefix.SUBSCRIPTION,
        label="Send to",
        help_text="A subscription. Empty: where it failed.",
    )
    keep = forms.BooleanField(required=False, label="Leave the dead letter open")


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def amend(request: HttpRequest, letter: UUID) -> HttpResponse:
    """Shows the data as it came; sends what is posted as a new event."""
    row = get_object_or_404(DeadLetter, id=letter)
    event = Event.objects.filter(id=row.event).first()
    text = None if event is None else _text(bytes(event.data))
    form = AmendForm(request.POST or None, initial={"content": text})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        # A browser sends each line break as two characters.
        data = given["content"].replace("\r\n", "\n").encode()
        try:
            made = send_amended(
                row.id, data, to=given["to"], keep=given["keep"], actor=actor_of(request)
            )
        except WrongState as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Sent as a new event, to this one endpoint alone.")
            return redirect("event", made.event)
    context = {
        "title": "Correct and send again",
        "lede": "A new event with the data below goes to one endpoint. The audit log keeps who "
        "did it, and digests of both.",
        "letter": row,
        "to": subscriptions_of([row.subscription]).get(row.subscription),
        "form": form,
        "text": text,
        "gone": event is None,
    }
    return render(request, "dlq/amend.html", context, status=422 if form.is_bound else 200)


def _text(data: bytes) -> str | None:
    """None for what is no text: a form would change it."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
