"""What a dry run counts, one by one: what it would send, and what it leaves out and why."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from dlq.console import sources
from dlq.console.replay_form import ReplayForm
from dlq.models.replay import ReplaySource
from dlq.plan import MANY, Part, one_by_one, takes_long
from events.console.export import wants_file
from events.console.inputs import decoded_or_none
from events.console.live import is_again, render_again
from events.roles import Role, needs
from events.rules.ids import Prefix

TITLES = {
    Part.SENT: "What it would send",
    Part.DELIVERED: "Delivered already",
    Part.GONE: "Owed to a deleted subscription",
}
PAGE = "dlq/counted.html"
OWN = ("token", "digest")
"""What a form sends for itself, and not to say what it is about."""


def query_of(posted: dict[str, str]) -> str:
    """The form of a dry run as the query of its lists, where `before` is the place in a list."""
    query = QueryDict(mutable=True)
    for name, value in posted.items():
        if value and name not in OWN:
            query["until" if name == "before" else name] = value
    return query.urlencode()


@require_GET
@needs(Role.OPERATOR)
def counted(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The sources behind one of a dry run's numbers; of one endpoint, if it is named."""
    data = request.GET.copy()
    data["before"] = data.get("until", "")
    form = ReplayForm(data)
    dry_run = _dry_run(data)
    if not form.is_valid():
        return redirect(dry_run)
    order = form.order(token="")
    named_part = request.GET.get("part", "")
    part = Part(named_part) if named_part in list(Part) else Part.SENT
    found: Any = one_by_one(order, part)
    endpoint = decoded_or_none(Prefix.SUBSCRIPTION, request.GET.get("endpoint", ""))
    if endpoint and order.source == ReplaySource.DEAD_LETTERS and order.target is None:
        found = found.filter(subscription=endpoint)
    context = {"title": TITLES[part], "dry_run": dry_run}
    if part is not Part.GONE and not _asks_for_rows(request) and takes_long(order):
        return render_again(request, PAGE, {**context, "later": True, "many": MANY})
    name = f"replay-{part}"
    return sources.listed(request, found, PAGE, context, source=order.source, name=name)


def _asks_for_rows(request: HttpRequest) -> bool:
    """A page whose rows take long opens at once and then asks for them."""
    return is_again(request) or wants_file(request) or "rows" in request.GET


def _dry_run(data: QueryDict) -> str:
    """Back to where the number is, counted anew."""
    back = data.copy()
    for name in ("until", "after", "part", "endpoint", "export", "rows"):
        back.pop(name, None)
    return f"{reverse('replay-new')}?{back.urlencode()}"
