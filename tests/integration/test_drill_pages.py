"""Planted secrets are found on the console's pages, and the product shows and stores none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from urllib.request import Request, urlopen
from uuid import UUID

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command

from drills.canaries import TURNS, Canaries, Pages, in_rows
from events import operate
from events.models import Attempt, Subscription
from events.rules import ids
from events.rules.ids import Prefix
from tests import make
from tests.engine import Engine
from tests.integration.test_drill_laws import connect
from tests.integration.test_intake_granian import served
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)

PLANTED = Canaries()


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with the user and the key of a first start."""
    monkeypatch.setenv("REDRIVE_ADMIN_PASSWORD", PLANTED.password)
    monkeypatch.setenv("REDRIVE_BOOTSTRAP_API_KEY", PLANTED.api_key)
    call_command("bootstrap")
    with served({}) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def pages(url: str) -> Pages:
    return Pages(url, PLANTED, patience=0)


def subscribe(web: str, **fields: object) -> None:
    """As the drills do, over the API."""
    headers = {
        "authorization": f"Bearer {PLANTED.api_key}",
        "content-type": "application/json",
    }
    body = json.dumps({"types": ["**"], **fields}).encode()
    with urlopen(Request(f"{web}/api/v1/subscriptions", body, headers), timeout=10):  # noqa: S310
        """It is answered with the secret of what was made."""


def authorized(found: Mapping[str, str]) -> str:
    """How the request was authorized, as the receiver saw it."""
    return found.get("authorization", "").partition(" ")[0]


def test_what_the_product_writes_and_shows_holds_no_secret(
    url: str, pages: Pages, engine: Engine, receiver: Receiver
) -> None:
    to, basic, bearer = receiver.url(), PLANTED.basic, PLANTED.bearer
    secret = f"whsec_{PLANTED.signing}"
    subscribe(url, url=to, secret=secret, authentication="basic", credentials=basic)
    subscribe(url, url=to, authentication="bearer", credentials=bearer)
    subscribe(url, url=to, headers={"x-token": PLANTED.header})
    make.published(make.event())
    assert engine.run() == 3
    assert {authorized(one.headers) for one in receiver.requests} == {"Basic", "Bearer", ""}
    assert any(one.headers.get("x-token") == PLANTED.header for one in receiver.requests)

    lanes = [f"/subscriptions/{row.public_id}/" for row in Subscription.objects.all()]
    tried = [
        f"/deliveries/{ids.encode(Prefix.DELIVERY, one.delivery)}/" for one in Attempt.objects.all()
    ]
    assert len(lanes) == len(tried) == 3
    found = [words for turn in range(TURNS) for words in pages.leaks([*lanes, *tried], turn=turn)]
    assert found == []
    with connect() as database:
        assert list(in_rows(PLANTED, database, since=UUID(int=0))) == []


def test_a_secret_on_a_page_is_found(pages: Pages) -> None:
    to = make.subscription(name=f"{PLANTED.signing} {PLANTED.basic} {PLANTED.bearer}")
    operate.pause(
        actor=PLANTED.api_key,
        subscription=to.id,
        reason=f"{PLANTED.header} {PLANTED.password}",
    )
    page = f"/subscriptions/{to.public_id}/"

    found = list(pages.leaks([page], turn=0))

    assert [words for words in found if words.endswith(page)] == [
        f"{name} stands in {page}" for name in PLANTED.named()
    ]


def test_a_page_that_cannot_be_read_is_named_since_nothing_can_be_found_there(
    url: str, pages: Pages
) -> None:
    assert list(pages.leaks(["/none/"], turn=0)) == ["/none/ was not shown, but 404 at /none/"]

    Session.objects.all().delete()
    assert "/ was not shown, but 200 at /sign-in/" in list(pages.leaks([], turn=0))

    with pytest.raises(RuntimeError, match="could not sign in"):
        Pages(url, Canaries())
