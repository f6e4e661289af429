"""Bulk retry and cancel on the console: counted, confirmed, done once, shown and audited."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.urls import reverse

from events.bulk import step
from events.console.paging import SIZE
from events.models import AuditEntry, BulkJob, OwedDelivery, Subscription
from events.models.bulk import BulkState, BulkVerb
from events.roles import Role
from events.rules.outcome import Responded
from tests import make, pages

pytestmark = pytest.mark.django_db

NEW = "bulk-new"


def failed(many: int, *, name: str = "Orders", of: str = "order.paid") -> Subscription:
    to = make.subscription(name=name, types=[of], max_concurrency=5_000)
    make.backlog(to, many, type=of)
    make.recorded(Responded(503), schedule=[600.0])
    return to


def hidden(response: HttpResponse) -> dict[str, str]:
    found: dict[str, str] = response.context["hidden"]
    return found


def public_ids() -> list[str]:
    return [row.public_id for row in OwedDelivery.objects.order_by("-id")]


def test_the_list_offers_all_that_match_to_who_may_act_and_to_nobody_else() -> None:
    failed(60)
    path = reverse("deliveries")
    shown = pages.text_of(pages.signed_in(Role.OPERATOR).get(path, {"status": "503"}))
    assert "Select all 60 matching" in shown
    assert shown.count('name="ids"') == SIZE
    assert '<input type="hidden" name="status" value="503">' in shown
    seen = pages.text_of(pages.signed_in(Role.VIEWER).get(path))
    assert "matching" not in seen
    assert 'name="ids"' not in seen


def test_what_has_ended_is_not_offered() -> None:
    make.dead(make.subscription())
    client = pages.signed_in(Role.OPERATOR)
    assert 'id="bulk"' not in pages.text_of(client.get(reverse("deliveries"), {"state": "dead"}))


def test_all_that_match_is_the_filter_and_the_page_says_how_many_and_to_whom() -> None:
    failed(60)
    failed(3, name="Users", of="user.made")
    client = pages.signed_in(Role.OPERATOR)
    query = {"verb": "retry", "all": "1", "status": "503", "ids": public_ids()[:1]}
    with pages.at_most(12):
        shown = client.get(reverse(NEW), query)
    words = pages.text_of(shown)
    assert "Retry 63 deliveries to 2 endpoints" in words
    assert words.index("Orders") < words.index("Users")
    assert not BulkJob.objects.exists()
    client.post(reverse(NEW), hidden(shown))
    job = BulkJob.objects.get()
    assert (job.verb, job.total, job.criteria["status"]) == (BulkVerb.RETRY, 63, 503)
    assert job.created_by == "user:operator"


def test_ticked_rows_are_those_rows_whatever_the_filter_finds() -> None:
    failed(5)
    ticked = public_ids()[1:3]
    client = pages.signed_in(Role.OPERATOR)
    shown = client.get(reverse(NEW), {"verb": "cancel", "state": "pending", "ids": ticked})
    assert "Cancel 2 deliveries to 1 endpoint<" in pages.text_of(shown)
    page = client.post(reverse(NEW), hidden(shown), follow=True)
    job = BulkJob.objects.get()
    assert "2 picked one by one" in pages.text_of(page)
    while step(job.id):
        pass
    assert set(public_ids()).isdisjoint(ticked)
    assert OwedDelivery.objects.count() == 3


def test_without_a_tick_it_goes_back_to_the_list_and_says_so() -> None:
    failed(1)
    client = pages.signed_in(Role.OPERATOR)
    response = client.get(reverse(NEW), {"verb": "retry", "status": "503"}, follow=True)
    assert response.redirect_chain == [(reverse("deliveries") + "?status=503", 302)]
    assert "Tick some deliveries first" in pages.text_of(response)


def test_a_double_click_is_one_job() -> None:
    failed(2)
    client = pages.signed_in(Role.OPERATOR)
    form = hidden(client.get(reverse(NEW), {"verb": "retry", "all": "1"}))
    first, second = (client.post(reverse(NEW), form) for _ in range(2))
    job = BulkJob.objects.get()
    assert first["Location"] == second["Location"] == reverse("bulk-job", args=[job.id])
    assert AuditEntry.objects.filter(action="bulk-retry").count() == 1


def test_a_set_that_grew_brings_the_confirmation_back_and_one_that_shrank_goes_on() -> None:
    failed(20)
    client = pages.signed_in(Role.OPERATOR)
    query = {"verb": "cancel", "all": "1", "status": "503"}
    form = hidden(client.get(reverse(NEW), query))
    answered(500, many=15)
    smaller = hidden(client.get(reverse(NEW), query))
    answered(503, many=15)
    again = client.post(reverse(NEW), smaller)
    assert again.status_code == 409
    assert "The set grew while you looked" in pages.text_of(again)
    assert "Cancel 20 deliveries" in pages.text_of(again)
    assert not BulkJob.objects.exists()
    answered(500, many=15)
    assert client.post(reverse(NEW), form).status_code == 302
    assert BulkJob.objects.get().total == 5


def test_a_few_that_came_to_match_do_not_bring_it_back_but_another_endpoint_does() -> None:
    failed(3)
    client = pages.signed_in(Role.OPERATOR)
    query = {"verb": "retry", "all": "1", "status": "503"}
    answered(500, many=2)
    form = hidden(client.get(reverse(NEW), query))
    answered(503, many=2)
    assert client.post(reverse(NEW), form).status_code == 302
    failed(1, name="Users", of="user.made")
    answered(500, many=1)
    form = hidden(client.get(reverse(NEW), query))
    answered(503, many=1)
    assert client.post(reverse(NEW), form).status_code == 409


def answered(status: int, *, many: int) -> None:
    """As if the newest deliveries had been answered so."""
    newest = OwedDelivery.objects.order_by("-id").values("id")[:many]
    OwedDelivery.objects.filter(id__in=list(newest.values_list("id", flat=True))).update(
        last_status=status
    )


@pytest.mark.parametrize("name", ["total", "endpoints", "digest", "status", "verb"])
def test_another_order_than_the_one_that_was_shown_is_shown_again(name: str) -> None:
    failed(3)
    client = pages.signed_in(Role.OPERATOR)
    form = hidden(client.get(reverse(NEW), {"verb": "cancel", "all": "1", "status": "503"}))
    other = {"total": "2", "endpoints": "0", "digest": "", "status": "", "verb": "retry"}
    assert client.post(reverse(NEW), form | {name: other[name]}).status_code == 409
    assert not BulkJob.objects.exists()


def test_a_wrong_filter_is_explained_and_nothing_is_counted() -> None:
    client = pages.signed_in(Role.OPERATOR)
    response = client.get(reverse(NEW), {"verb": "retry", "all": "1", "since": "x"})
    assert response.status_code == 422
    assert "Write 15m, 2h or 7d" in pages.text_of(response)


def test_nothing_to_do_is_said_with_the_reason() -> None:
    make.backlog(make.subscription(), 2)
    client = pages.signed_in(Role.OPERATOR)
    shown = pages.text_of(client.get(reverse(NEW), {"verb": "retry", "all": "1"}))
    assert "There is nothing to retry" in shown
    assert "2 match, but they are due already or under way." in shown


def test_a_job_shows_its_progress_and_can_be_stopped() -> None:
    failed(3)
    client = pages.signed_in(Role.OPERATOR)
    client.post(reverse(NEW), hidden(client.get(reverse(NEW), {"verb": "cancel", "all": "1"})))
    job = BulkJob.objects.get()
    path = reverse("bulk-job", args=[job.id])
    with pages.at_most(12):
        shown = pages.text_of(client.get(path))
    assert "0 of 3" in shown
    assert reverse("bulk-cancel", args=[job.id]) in shown
    part = pages.text_of(client.get(path, headers={"HX-Request": "true"}))
    assert '<div id="bulk-live"' in part
    assert "<html" not in part
    client.post(reverse("bulk-cancel", args=[job.id]))
    job.refresh_from_db()
    assert job.state == BulkState.CANCELLED
    assert OwedDelivery.objects.count() == 3
    assert "cancelled" in pages.text_of(client.get(reverse("bulk-jobs")))
