"""One table of pages: the navigation shows what a role may open, and the search finds it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from events import bulk
from events.choose import Criteria
from events.console.nav import GROUPS
from events.models.bulk import BulkVerb
from events.roles import GIVEN, Role
from monitoring import samples
from tests import make, pages

pytestmark = pytest.mark.django_db

LINKS = [link for _, links in GROUPS for link in links]


@pytest.mark.parametrize("role", GIVEN)
def test_every_page_of_the_navigation_is_found_by_its_name_and_opens(role: Role) -> None:
    client = pages.signed_in(role)
    shown = pages.text_of(client.get("/")).partition('id="nav"')[2].partition("</nav>")[0]
    for link in LINKS:
        found = client.get(reverse("search"), {"q": link.word.lower()}).context["hits"]
        hits = {hit.href for hit in found if hit.kind == "page"}
        assert (link.path in hits) == (role >= link.least), link.word
        assert (f'href="{link.path}"' in shown) == (role >= link.least), link.word
        assert (client.get(link.path).status_code == 200) == (role >= link.least), link.word


def test_pages_that_are_no_list_are_found_too() -> None:
    words = {link.word for link in LINKS}
    assert {"Signature debugger", "Rehearsal", "Bulk jobs", "Health", "Audit log"} <= words


def test_the_id_of_a_bulk_job_goes_straight_to_its_page() -> None:
    job = bulk.start(bulk.Order(BulkVerb.RETRY, Criteria(), "t"), actor=make.ACTOR)
    answer = pages.signed_in(Role.VIEWER).get(reverse("search"), {"q": job.public_id})
    assert answer["Location"] == reverse("bulk-job", args=[job.id])


def test_the_overview_leads_to_the_guide_until_something_was_accepted() -> None:
    client = pages.signed_in(Role.VIEWER)
    assert "Nothing was accepted yet" in pages.text_of(client.get("/"))
    samples.take(None)
    assert "Nothing was accepted yet" in pages.text_of(client.get("/"))
    make.published(make.event())
    assert "Nothing was accepted yet" not in pages.text_of(client.get("/"))
