"""Who may open which page, and what a viewer never sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from dlq.models import DeadLetter, Replay, Signature
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from events import bulk
from events.choose import Criteria as BulkCriteria
from events.models import Delivery, Event
from events.models.bulk import BulkVerb
from events.roles import GIVEN, Role
from monitoring.models import Finding, Kind, Side
from tests import make, pages

pytestmark = pytest.mark.django_db

PAYLOAD = b'{"card":"4111-secret-payload"}'


def every_page() -> dict[str, Role]:
    """A path of each page and the least role that may open it, over rows of every kind."""
    to = make.subscription(name="Orders", headers={"x-key": "a-secret-value"})
    make.published(make.event(data=PAYLOAD, datacontenttype="application/json"))
    [dead] = make.dead(to, body=b"an-answer-with-a-secret")
    letter = DeadLetter.objects.get(id=dead)
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t", rate=1.0)
    replay = start(order, actor=make.ACTOR)
    job = bulk.start(bulk.Order(BulkVerb.RETRY, BulkCriteria(), "t"), actor=make.ACTOR)
    event, owed = Event.objects.order_by("id").first(), Delivery.objects.order_by("id").first()
    assert event is not None
    assert owed is not None
    viewer = [
        reverse("events"),
        reverse("event", args=[event.id]),
        reverse("event", args=[letter.event]),
        reverse("event-missed", args=[event.id]),
        reverse("subscriptions"),
        reverse("subscription", args=[to.id]),
        reverse("deliveries"),
        reverse("delivery", args=[dead]),
        reverse("delivery", args=[owed.id]),
        reverse("deliveries-fresh") + "?newest=none",
        reverse("events-fresh") + "?newest=none",
        reverse("bulk-jobs"),
        reverse("bulk-job", args=[job.id]),
        reverse("dead-letters"),
        reverse("dead-letters-all"),
        reverse("dead-letter-group", args=[Signature.objects.get().id]),
        reverse("dead-letter", args=[dead]),
        reverse("replays"),
        reverse("replay", args=[replay.id]),
        reverse("replay-left-out", args=[replay.id]),
        reverse("audit"),
        reverse("search") + "?q=ord",
        reverse("start"),
    ]
    operator = [
        reverse("event-payload", args=[event.id]),
        reverse("replay-new"),
        reverse("replay-new") + "?source=dead_letters",
        reverse("replay-new-counted") + "?source=dead_letters",
        reverse("bulk-new") + "?verb=cancel&all=1",
        reverse("debugger"),
    ]
    admin = [
        reverse("subscription-new"),
        reverse("subscription-edit", args=[to.id]),
        reverse("subscription-delete", args=[to.id]),
        reverse("keys"),
        reverse("users"),
    ]
    return (
        dict.fromkeys(viewer, Role.VIEWER)
        | dict.fromkeys(operator, Role.OPERATOR)
        | dict.fromkeys(admin, Role.ADMIN)
    )


@pytest.mark.parametrize("role", GIVEN)
def test_a_page_opens_from_its_role_on_within_twelve_queries(role: Role) -> None:
    found = every_page()
    client = pages.signed_in(role)
    for path, least in found.items():
        with pages.at_most(12):
            response = client.get(path)
        assert response.status_code == (200 if role >= least else 403), path


def test_whoever_is_not_signed_in_is_sent_to_sign_in() -> None:
    for path in every_page():
        response = Client().get(path)
        assert response.status_code == 302, path
        assert response["Location"].startswith("/sign-in/"), path


def test_a_viewer_sees_no_payload_and_no_header_value() -> None:
    found = every_page()
    viewer, operator = pages.signed_in(Role.VIEWER), pages.signed_in(Role.OPERATOR)
    seen = "".join(pages.text_of(operator.get(path)) for path in found)
    for path, least in found.items():
        if least is Role.VIEWER:
            shown = pages.text_of(viewer.get(path))
            for secret in ("4111-secret", "an-answer-with-a-secret", "a-secret-value"):
                assert secret not in shown, path
    assert "4111-secret" in seen
    assert "an-answer-with-a-secret" in seen
    assert "a-secret-value" not in seen


def acts() -> dict[str, Role]:
    to = make.subscription()
    [dead] = make.dead(to)
    owed = make.owed(to)
    group = Signature.objects.get().id
    order = Order(ReplaySource.DEAD_LETTERS, Criteria(), token="t", rate=1.0)
    replay = start(order, actor=make.ACTOR)
    job = bulk.start(bulk.Order(BulkVerb.RETRY, BulkCriteria(), "t"), actor=make.ACTOR)
    finding = Finding.objects.create(kind=Kind.LEVEL, side=Side.OURS, words="The load is busy.")
    named: Callable[..., str] = reverse
    operator = [
        named("subscription-pause", args=[to.id]),
        named("subscription-resume", args=[to.id]),
        named("subscription-test", args=[to.id]),
        named("subscription-open-breaker", args=[to.id]),
        named("subscription-close-breaker", args=[to.id]),
        named("subscription-reset-breaker", args=[to.id]),
        named("delivery-retry", args=[owed]),
        named("delivery-cancel", args=[owed]),
        named("bulk-new"),
        named("bulk-cancel", args=[job.id]),
        named("dead-letter-discard", args=[dead]),
        named("dead-letter-restore", args=[dead]),
        named("dead-letter-group-discard", args=[group]),
        named("dead-letters-discard"),
        named("dead-letters-restore"),
        named("replay-new"),
        named("replay-cancel", args=[replay.id]),
        named("replay-rate", args=[replay.id]),
        named("dead-letters-picked"),
        named("dead-letter-amend", args=[dead]),
        named("letter-job-cancel", args=[to.id]),
        named("subscription-undo-resume", args=[to.id]),
        *(named(name, args=[finding.pk]) for name in ("acknowledge", "silence", "ring")),
        named("drills-run"),
        named("debugger"),
    ]
    admin = [
        named("subscription-new"),
        named("subscription-edit", args=[to.id]),
        named("subscription-enable", args=[to.id]),
        named("subscription-disable", args=[to.id]),
        named("subscription-undo-disable", args=[to.id]),
        named("rehearse", args=["good"]),
        named("rehearsal-end", args=["good"]),
        named("subscription-rotate", args=[to.id]),
        named("subscription-delete", args=[to.id]),
        named("key-new"),
        named("key-revoke", args=[to.id]),
        named("user-new"),
        *(
            named(f"user-{verb}", args=[1])
            for verb in ("role", "deactivate", "activate", "password", "sign-out")
        ),
    ]
    return dict.fromkeys(operator, Role.OPERATOR) | dict.fromkeys(admin, Role.ADMIN)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_an_act_above_ones_role_is_refused_and_has_no_button(role: Role) -> None:
    client = pages.signed_in(role)
    for path, least in acts().items():
        if least > role:
            assert client.post(path).status_code == 403, path
    for path, least in every_page_safely().items():
        if least <= Role.VIEWER and role is Role.VIEWER:
            main = pages.text_of(client.get(path)).partition("<main")[2].partition("</main")[0]
            assert 'method="post"' not in main, path


def every_page_safely() -> dict[str, Role]:
    """The pages over the rows of `acts`."""
    letter = DeadLetter.objects.get()
    found = {
        reverse("subscription", args=[letter.subscription]),
        reverse("dead-letter", args=[letter.id]),
        reverse("dead-letter-group", args=[letter.signature_id]),
        reverse("dead-letters"),
        reverse("replays"),
        reverse("replay", args=[Replay.objects.get().id]),
        reverse("replay-left-out", args=[Replay.objects.get().id]),
        reverse("alerts"),
        reverse("drills"),
        reverse("dead-letters-all"),
    }
    return dict.fromkeys(found, Role.VIEWER)


def test_a_change_by_a_link_is_refused() -> None:
    client = pages.signed_in(Role.ADMIN)
    pages_with_a_form = {
        reverse("subscription-new"),
        reverse("replay-new"),
        reverse("debugger"),
    } | {reverse("bulk-new"), reverse("dead-letters-discard")}
    for path in acts():
        if path not in pages_with_a_form and not path.endswith(("/edit/", "/delete/", "/amend/")):
            assert client.get(path).status_code == 405, path
