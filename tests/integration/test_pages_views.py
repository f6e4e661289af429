"""Saved views: a list with its filter under a name, one's own or everybody's."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import cancel, start
from dlq.select import Criteria
from events import views
from events.models import AuditEntry, SavedView
from events.models.saved_view import LISTS
from events.operate import WrongState
from events.roles import Role
from events.rules.outcome import Responded
from tests import make, pages

pytestmark = pytest.mark.django_db

WANTED = {"path": "/events/", "query": "type=order.*&before=x&source=", "name": "Orders"}


def other(role: Role) -> Client:
    """Somebody else."""
    client = Client()
    user = pages.person(role, f"other-{role}")
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def shown(client: Client, path: str = "/events/") -> str:
    return pages.text_of(client.get(path))


def test_a_view_is_the_filter_alone_and_leads_back_to_it() -> None:
    client = pages.signed_in(Role.VIEWER)
    answer = client.post(reverse("view-save"), WANTED)
    assert answer["Location"] == "/events/?type=order.%2A"
    assert ">Orders</a>" in shown(client)
    assert 'aria-current="true"' in shown(client, answer["Location"]).partition("views")[2]
    assert ">Orders</a>" not in shown(client, "/deliveries/")
    assert AuditEntry.objects.filter(action="save-view", target="view:Orders").count() == 1


def test_a_view_is_its_owners_unless_it_is_shared_by_who_may_act() -> None:
    pages.signed_in(Role.VIEWER).post(reverse("view-save"), WANTED | {"shared": "1"})
    operator = other(Role.OPERATOR)
    assert ">Orders</a>" not in shown(operator)
    operator.post(reverse("view-save"), WANTED | {"name": "Ours", "shared": "1"})
    assert ">Ours</a>" in shown(other(Role.VIEWER))


def test_one_deletes_ones_own_and_an_admin_any() -> None:
    client = pages.signed_in(Role.OPERATOR)
    client.post(reverse("view-save"), WANTED | {"shared": "1"})
    row = SavedView.objects.get()
    path = reverse("view-delete", args=[row.id])
    assert other(Role.OPERATOR).post(path).status_code == 404
    assert SavedView.objects.exists()
    assert other(Role.ADMIN).post(path)["Location"] == "/events/"
    assert not SavedView.objects.exists()
    assert AuditEntry.objects.filter(action="delete-view").count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/settings/"},
        {"path": "https://elsewhere.example/"},
        {"name": " "},
        {"name": "n" * 61},
        {"query": "before=x"},
        {"query": "q=" + "x" * 1_001},
    ],
)
def test_what_is_no_view_is_refused_and_leads_nowhere_else(change: dict[str, str]) -> None:
    answer = pages.signed_in(Role.VIEWER).post(reverse("view-save"), WANTED | change)
    assert answer["Location"] == "/events/"
    assert not SavedView.objects.exists()


def test_saving_again_replaces_and_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MOST", 2)
    for name in ("a", "b", "a"):
        views.save_view(actor="user:x", path="/events/", query="type=t", name=name, shared=False)
    assert SavedView.objects.count() == 2
    with pytest.raises(WrongState):
        views.save_view(actor="user:x", path="/events/", query="type=t", name="c", shared=False)


def test_a_name_is_text() -> None:
    client = pages.signed_in(Role.VIEWER)
    client.post(reverse("view-save"), WANTED | {"name": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in shown(client)
    assert "&lt;script&gt;alert(1)" in shown(client)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_that_can_be_a_view_has_a_filter_to_save(path: str) -> None:
    client = pages.signed_in(Role.VIEWER)
    shown_here = shown(client, path)
    names = re.findall(r'name="(\w+)"', shown_here.partition('aria-label="Filter"')[2])
    assert names, path
    kept = shown(client, f"{path}?{names[0]}=x")
    assert "Save this view" in kept, path


def test_groups_and_replays_are_filtered() -> None:
    to, other_one = make.subscription(types=["a"]), make.subscription(types=["b"])
    for row in (to, other_one):
        make.backlog(row, 1, type=row.types[0])
    make.recorded(Responded(500))
    make.dead(make.subscription(types=["order.*"]), 1, status=410)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(subscription=to.id), token="t")
    cancel(start(order, actor="user:a").id, actor="user:a")
    client = pages.signed_in(Role.VIEWER)

    def groups(**query: str) -> int:
        return len(client.get(reverse("dead-letters"), query).context["groups"].rows)

    assert (groups(), groups(subscription=to.public_id), groups(error="gone")) == (3, 1, 1)
    assert groups(subscription="nonsense") == 0

    def replays(**query: str) -> int:
        return len(client.get(reverse("replays"), query).context["page"].rows)

    assert (replays(), replays(state="running"), replays(state="cancelled")) == (1, 0, 1)
    assert (replays(source="events"), replays(by="user:a"), replays(by="user:b")) == (0, 1, 0)
