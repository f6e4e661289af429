"""Every act of the console leaves an entry in the audit log that says what it changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse
from pytest_django import Settings

from dlq.models import DeadLetter, LetterJob
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from events import bulk
from events.access import issue_key
from events.choose import Criteria as BulkCriteria
from events.console.audit import changes_of
from events.models import AuditEntry, SavedView, Subscription
from events.models.bulk import BulkVerb
from events.people import add_person
from events.roles import Role
from events.uuids import new_uuid
from monitoring.models import Finding, Kind, Side
from tests import make, pages

pytestmark = pytest.mark.django_db

SECRETS = ("a-credential", "a-header-value", "whsec_", "4111-secret-payload")

FIELDS: dict[str, Any] = {
    "url": "http://127.0.0.1:9099/hook",
    "types": "order.*",
    "schedule": "5s",
    "timeout": "15",
    "max_concurrency": "10",
    "format": "binary",
    "authentication": "basic",
    "credentials": "someone:a-credential",
    "headers": "x-key: a-header-value",
}


class Scene:
    """An admin before a subscription, and what else an act needs."""

    def __init__(self) -> None:
        self.client: Client = pages.signed_in(Role.ADMIN)
        # An address that a rehearsal may send to.
        self.client.defaults["HTTP_HOST"] = "127.0.0.1"
        self.to: Subscription = make.subscription(name="Orders")

    def did(self, act: str, /, *args: object, **form: object) -> str:
        """Posts to a path; gives the page that it leads to."""
        return pages.text_of(self.client.post(reverse(act, args=args), form, follow=True))

    def letter(self) -> DeadLetter:
        make.owed(self.to, data=b'{"card":"4111-secret-payload"}')
        make.dead(self.to)
        return DeadLetter.objects.order_by("-id")[:1].get()

    def discarded(self) -> UUID:
        letter = self.letter().id
        self.did("dead-letter-discard", letter)
        return letter

    def replay(self) -> UUID:
        self.letter()
        order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t", rate=1.0)
        return start(order, actor=make.ACTOR).id

    def bulk(self) -> UUID:
        order = bulk.Order(BulkVerb.RETRY, BulkCriteria(), "t")
        return bulk.start(order, actor=make.ACTOR).id

    def confirmed(self, name: str, **query: str) -> dict[str, Any]:
        """What a dry run's form sends."""
        self.letter()
        make.owed(self.to)
        hidden: dict[str, Any] = self.client.get(reverse(name), query).context["hidden"]
        return hidden

    def person(self, act: str = "") -> int:
        person = add_person(actor="user:a", name="nora", role=Role.VIEWER)[0].pk
        if act:
            self.did(act, person)
        return int(person)

    def finding(self, act: str = "") -> int:
        row = Finding.objects.create(kind=Kind.LEVEL, side=Side.OURS, words="The load is busy.")
        if act:
            self.did(act, row.pk)
        return int(row.pk)

    def after(self, act: str) -> UUID:
        """The subscription, once that was done to it."""
        self.did(f"subscription-{act}", self.to.id, minutes="15")
        return self.to.id

    def undo(self, act: str) -> str:
        [since] = re.findall(rf"undo-{act}/\?since=([^\"]+)\"", self.did(act_of(act), self.to.id))
        return str(since)


def act_of(act: str) -> str:
    return f"subscription-{act}"


def key() -> UUID:
    made = issue_key(actor="user:a", name="shop", scopes=["publish"], tenant=None, expires_at=None)
    return made[0].id


def letter_job() -> UUID:
    made = LetterJob.objects.create(
        id=new_uuid(), verb="restore", criteria={}, total=9, created_by="user:a"
    )
    return made.id


def view(scene: Scene) -> UUID:
    scene.did("view-save", path="/events/", query="type=a", name="mine")
    return SavedView.objects.get().id


Arguments = tuple[list[Any], dict[str, Any]]

ACTS: dict[str, Callable[[Scene], Arguments]] = {
    "subscription-new": lambda _: ([], FIELDS),
    "subscription-edit": lambda s: ([s.to.id], FIELDS),
    "subscription-pause": lambda s: ([s.to.id], {"minutes": "15"}),
    "subscription-resume": lambda s: ([s.after("pause")], {}),
    "subscription-enable": lambda s: ([s.after("disable")], {}),
    "subscription-disable": lambda s: ([s.to.id], {}),
    "subscription-undo-disable": lambda s: ([s.to.id], {"since": s.undo("disable")}),
    "subscription-undo-resume": lambda s: ([s.after("pause")], {"since": s.undo("resume")}),
    "subscription-test": lambda s: ([s.to.id], {}),
    "subscription-rotate": lambda s: ([s.to.id], {}),
    "subscription-delete": lambda s: ([s.to.id], {"name": "Orders"}),
    "subscription-open-breaker": lambda s: ([s.to.id], {"minutes": "5"}),
    "subscription-close-breaker": lambda s: ([s.after("open-breaker")], {}),
    "subscription-reset-breaker": lambda s: ([s.after("open-breaker")], {}),
    "delivery-retry": lambda s: ([make.owed(s.to)], {}),
    "delivery-cancel": lambda s: ([make.owed(s.to)], {}),
    "bulk-new": lambda s: ([], s.confirmed("bulk-new", verb="cancel", all="1")),
    "bulk-cancel": lambda s: ([s.bulk()], {}),
    "dead-letters-picked": lambda s: ([], {"ids": s.letter().public_id, "verb": "discard"}),
    "dead-letters-discard": lambda s: ([], {"of": s.letter().public_id}),
    "dead-letters-restore": lambda s: ([], {"of": str(s.discarded())}),
    "dead-letter-group-discard": lambda s: ([s.letter().signature_id], {}),
    "dead-letter-discard": lambda s: ([s.letter().id], {}),
    "dead-letter-restore": lambda s: ([s.discarded()], {}),
    "letter-job-cancel": lambda _: ([letter_job()], {}),
    "dead-letter-amend": lambda s: ([s.letter().id], {"content": '{"n":2}'}),
    "replay-new": lambda s: ([], s.confirmed("replay-new", source="dead_letters")),
    "replay-cancel": lambda s: ([s.replay()], {}),
    "replay-rate": lambda s: ([s.replay()], {"rate": "5"}),
    "key-new": lambda _: ([], {"name": "shop", "scopes": ["publish"]}),
    "key-revoke": lambda _: ([key()], {}),
    "user-new": lambda _: ([], {"name": "nora", "role": "viewer"}),
    "user-role": lambda s: ([s.person()], {"role": "operator"}),
    "user-deactivate": lambda s: ([s.person()], {}),
    "user-activate": lambda s: ([s.person("user-deactivate")], {}),
    "user-password": lambda s: ([s.person()], {}),
    "user-sign-out": lambda _: ([User.objects.get(username="admin").pk], {}),
    "view-save": lambda _: ([], {"path": "/events/", "query": "type=a", "name": "mine"}),
    "view-delete": lambda s: ([view(s)], {}),
    "rehearse": lambda _: (["good"], {"many": "1"}),
    "rehearsal-end": lambda s: (["good"], {"of": s.did("rehearse", "good", many="1")[:1]}),
    "acknowledge": lambda s: ([s.finding()], {}),
    "silence": lambda s: ([s.finding()], {"hours": "8"}),
    "ring": lambda s: ([s.finding("acknowledge")], {}),
    "drills-run": lambda _: ([], {}),
}

NO_ACT = {"debugger", "preferences", "rehearsal-endpoint", "sign-out"}
"""They try out, answer or leave, or choose for the browser that asks."""


@pytest.fixture(autouse=True)
def _here(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]


@pytest.mark.parametrize("name", ACTS)
def test_an_act_leaves_an_entry_with_what_it_changed_and_no_secret(name: str) -> None:
    scene = Scene()
    args, form = ACTS[name](scene)
    last = AuditEntry.objects.values_list("id", flat=True).first() or 0
    query = f"?since={form.pop('since')}" if "since" in form else ""
    answer = scene.client.post(reverse(name, args=args) + query, form)
    assert answer.status_code in (200, 302)
    entries = list(AuditEntry.objects.filter(id__gt=last))
    assert entries
    for entry in entries:
        assert entry.actor == "user:admin"
        assert changes_of(entry.before, entry.after), entry
        said = f"{entry.target} {entry.before} {entry.after}"
        assert not [secret for secret in SECRETS if secret in said]
        if "password" in (answer.context or {}):
            assert answer.context["password"] not in said
        if name == "key-new":
            assert answer.context["text"] not in said


def test_no_act_is_left_out() -> None:
    assert set(taking_posts(get_resolver().url_patterns)) - NO_ACT == set(ACTS)


def taking_posts(patterns: list[Any]) -> Iterator[str]:
    """The names of the console's paths whose views let a POST through."""
    for one in patterns:
        if hasattr(one, "url_patterns"):
            yield from taking_posts(one.url_patterns)
        elif any("POST" in methods for methods in methods_of(one.callback)):
            yield one.name


def methods_of(view: Any) -> Iterator[list[str]]:
    """What the decorators of a view, each around the next, let through."""
    while view is not None:
        cells = getattr(view, "__closure__", None) or ()
        yield from (cell.cell_contents for cell in cells if isinstance(cell.cell_contents, list))
        view = getattr(view, "__wrapped__", None)
