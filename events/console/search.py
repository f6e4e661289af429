"""Search: an id goes straight to its page; a word finds names, types, ids and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from events import searching, statements
from events.console.live import render_live
from events.console.nav import nav
from events.console.paging import TooLate, in_time
from events.console.person import may_operate
from events.models import Attempt, Event, Subscription
from events.roles import Role, needs, role_in
from events.rules import ids
from events.rules.ids import Prefix
from events.searching import Asked

MOST = 8
LONGEST = 300

PAGES = {
    Prefix.EVENT: "event",
    Prefix.SUBSCRIPTION: "subscription",
    Prefix.DELIVERY: "delivery",
    Prefix.DEAD_LETTER: "dead-letter",
    Prefix.REPLAY: "replay",
    Prefix.BULK: "bulk-job",
}

# A walk over distinct values of event_type, one index probe each; DISTINCT would read them all.
TYPES = """
WITH RECURSIVE walk(type, n) AS (
    (SELECT type, 1 FROM events_event WHERE type >= %(start)s ORDER BY type LIMIT 1)
    UNION ALL
    SELECT next.type, walk.n + 1 FROM walk CROSS JOIN LATERAL (
        SELECT type FROM events_event WHERE type > walk.type ORDER BY type LIMIT 1) AS next
    WHERE walk.n < 40
)
SELECT type FROM walk WHERE starts_with(type, %(start)s) LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of the answer; `icon` tells the kind for the eye, `kind` in a word."""

    icon: str
    kind: str
    words: str
    href: str
    note: str = ""


ACTIONS: Sequence[tuple[str, str, str, Role]] = (
    ("plus", "New subscription", "/subscriptions/new/", Role.ADMIN),
    ("history", "New replay", "/replays/new/", Role.OPERATOR),
    ("key-round", "New API key", "/keys/", Role.ADMIN),
    ("users", "Add a user", "/users/", Role.ADMIN),
    ("zap-off", "Breakers that are not closed", "/subscriptions/?breaker=not_closed", Role.VIEWER),
    ("circle-pause", "Paused subscriptions", "/subscriptions/?state=paused", Role.VIEWER),
    ("hourglass", "Pending deliveries", "/deliveries/?state=pending", Role.VIEWER),
    ("archive-x", "Dead deliveries", "/deliveries/?state=dead", Role.VIEWER),
)


@require_GET
@needs(Role.VIEWER)
def search(request: HttpRequest) -> HttpResponse:
    """The page; for the palette, which asks at every letter, only the answers."""
    # PostgreSQL's text holds no NUL, so nothing can be found by one.
    text = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    page = _page_of_id(text)
    if page and request.headers.get("HX-Request") != "true":
        return redirect(page)
    hits = [Hit("arrow-right", "go to", text, page)] if page else _hits(request, text)
    context = {"title": "Search", "q": text, "hits": hits}
    if "X-Palette" in request.headers:
        return render(request, "events/_found.html", context)
    return render_live(request, "events/search.html", "events/_found.html", context)


def _page_of_id(text: str) -> str | None:
    """An id in either case; an attempt is on its delivery's page."""
    for prefix, page in PAGES.items():
        if (found := ids.decode(prefix, text)) is not None:
            return reverse(page, args=[found])
    attempt = ids.decode(Prefix.ATTEMPT, text)
    row = Attempt.objects.filter(id=attempt).first() if attempt else None
    return f"{reverse('delivery', args=[row.delivery])}?attempt={row.number}" if row else None


def _hits(request: HttpRequest, text: str) -> list[Hit]:
    if not text:
        return []
    try:
        with in_time():
            found = _subscriptions(text) + _types(text) + _events(text)
            return found + _said(request, text) + _actions(request, text)
    except TooLate:
        return _actions(request, text)


def _subscriptions(text: str) -> list[Hit]:
    found = Subscription.objects.existing().filter(Q(name__icontains=text) | Q(url__icontains=text))
    return [
        Hit("waypoints", "subscription", str(row), reverse("subscription", args=[row.id]), row.url)
        for row in found.order_by("-id")[:MOST]
    ]


def _types(text: str) -> list[Hit]:
    rows = statements.rows(TYPES, {"start": text, "most": MOST})
    page = reverse("events")
    return [
        Hit("inbox", "event type", row.type, f"{page}?{urlencode({'type': row.type})}")
        for row in rows
    ]


def _events(text: str) -> list[Hit]:
    found = Event.objects.filter(producer_event_id=text).defer("data").order_by("-id")[:MOST]
    return [
        Hit("inbox", "event", row.type, reverse("event", args=[row.id]), row.public_id)
        for row in found
    ]


def _said(request: HttpRequest, text: str) -> list[Hit]:
    """The newest events that say all of the words, and the way to the others."""
    if not settings.REDRIVE_SEARCH:
        return []
    hits = searching.search(Asked(text, hidden=may_operate(request)), most=MOST)
    if hits is None or not hits.events:
        return []
    found = Event.objects.filter(id__in=hits.events).defer("data").order_by("-id")
    page = f"{reverse('events')}?{urlencode({'q': text})}"
    return [
        *(
            Hit("inbox", "says it", row.type, reverse("event", args=[row.id]), row.public_id)
            for row in found
        ),
        Hit("list-filter", "list", f"All events that say {text}", page),
    ]


def _actions(request: HttpRequest, text: str) -> list[Hit]:
    """What one may open or begin, by a part of its name."""
    role, part = role_in(request), text.lower()
    pages = [
        Hit(link.icon, "page", link.word, link.path)
        for _, links in nav(request.path, role)
        for link in links
    ]
    begun = [
        Hit(icon, "action", words, href) for icon, words, href, least in ACTIONS if role >= least
    ]
    return [hit for hit in [*pages, *begun] if part in hit.words.lower()]
