"""Whatever the address says, a page opens or refuses; none fails."""

from __future__ import annotations

import pytest
from django.urls import reverse

from events.roles import Role
from tests import make, pages

pytestmark = pytest.mark.django_db

PAGES = ["overview", "events", "subscriptions", "deliveries", "dead-letters", "dead-letters-all",
         "replays", "replay-new", "bulk-new", "audit", "search"]  # fmt: skip

KEYS = ["action", "actor", "after", "again", "all", "attempt", "before", "breaker", "by", "error",
        "event", "export", "fault", "from", "fresh", "group", "id", "ids", "newest", "q", "range",
        "rate", "replay", "rows", "since", "source", "state", "status", "subject", "subscription",
        "target", "tenant", "to", "type", "until", "verb"]  # fmt: skip

JUNK = ["", "x", "-1", "99999999999999999999", "a\0b", "'\"<", "2026-13-45", "9999-12-31T23:59",
        "0001-01-01T00:00", "evt_01", "dlq_zzz", "é" * 300, "1e999", "nan", "999999d", "**", "[",
        "\\", "%", "\ud800"]  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_no_page_fails_at_what_its_address_says(name: str) -> None:
    to = make.subscription()
    make.published(make.event())
    make.dead(to, 1)
    admin = pages.signed_in(Role.ADMIN)
    asked = [{key: junk for key in KEYS if key != "export"} for junk in JUNK]
    asked += [{key: "a\0b"} for key in KEYS]
    for query in asked:
        said = {key: value.encode("utf-8", "surrogatepass") for key, value in query.items()}
        assert admin.get(reverse(name), said).status_code < 500, query
