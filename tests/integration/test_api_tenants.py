"""Who may do what: every route with an id, for every kind of caller, on own, other and absent.

The matrix is generated from the OpenAPI document, so a new route is in it from its first day.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from config.urls import api
from dlq.models.replay import ReplaySource
from dlq.plan import Order
from dlq.replay import start
from dlq.select import Criteria
from events import bulk, choose
from events.keys import new_key
from events.models import AuditEntry, FinishedDelivery, OwedDelivery, Subscription
from events.models.bulk import BulkVerb
from events.rules.ids import Prefix, encode
from events.rules.outcome import Responded
from events.uuids import new_uuid
from tests import make
from tests.lane import Answer
from tests.rest import Rest, of_tenant, operator

pytestmark = pytest.mark.django_db

OWN, OTHER = "acme", "globex"
IDS = {
    "event_id": Prefix.EVENT,
    "subscription_id": Prefix.SUBSCRIPTION,
    "delivery_id": Prefix.DELIVERY,
    "letter_id": Prefix.DEAD_LETTER,
    "replay_id": Prefix.REPLAY,
    "bulk_id": Prefix.BULK,
}
OPERATIONS = [
    (method.upper(), path, operation["security"][0]["ApiKey"][0])
    for path, methods in api.get_openapi_schema()["paths"].items()
    for method, operation in methods.items()
]
WITH_ID = [one for one in OPERATIONS if "{" in one[1]]
IDENTITIES = [
    "no key",
    "wrong key",
    "expired",
    "revoked",
    "wrong scope",
    "own tenant",
    "other tenant",
    "operator",
]

World = dict[str, str]


def world_of(tenant: str) -> World:
    """One of each thing, of one tenant; by the name that paths have for its id."""
    to = make.subscription(tenant=tenant, timeout=1.0)
    dead = make.owed(to, tenant=tenant)
    make.recorded(Responded(500))
    pending = make.owed(to, tenant=tenant)
    later = timezone.now() + timedelta(hours=1)
    OwedDelivery.objects.filter(id=pending).update(due_at=later)
    criteria = Criteria(tenant=tenant, since=timezone.now())
    replay = start(
        Order(ReplaySource.EVENTS, criteria, tenant, target=to.id, rate=1.0), actor="key:shop"
    )
    job = bulk.start(
        bulk.Order(BulkVerb.RETRY, choose.Criteria(owner=tenant), tenant), actor="key:shop"
    )
    event = OwedDelivery.objects.get(id=pending).event
    found = {"event_id": event, "subscription_id": to.id, "delivery_id": pending}
    found |= {"letter_id": dead, "replay_id": replay.id, "bulk_id": job.id}
    return {name: encode(IDS[name], one) for name, one in found.items()}


def absent() -> World:
    return {name: encode(prefix, new_uuid()) for name, prefix in IDS.items()}


def caller(identity: str, scope: str) -> Rest:
    if identity == "no key":
        return Rest(None)
    if identity == "wrong key":
        return Rest(new_key())
    if identity == "wrong scope":
        scopes = [one for one in ("publish", "read", "manage") if one != scope]
        return Rest(make.api_key(scopes=scopes, tenant=OWN))
    if identity in ("own tenant", "other tenant"):
        return of_tenant(OWN if identity == "own tenant" else OTHER)
    key = make.api_key(tenant=None if identity == "operator" else OWN)
    row = make.api_key_row(key)
    if identity == "expired":
        row.expires_at = timezone.now() - timedelta(seconds=1)
    if identity == "revoked":
        row.revoked_at = timezone.now()
    row.save()
    return Rest(key)


def call(rest: Rest, method: str, path: str, world: World) -> Answer:
    filled = re.sub(r"{(\w+)}", lambda found: world[found[1]], path)
    asked = {
        "explain": {"event_id": world["event_id"]},
        "rate": {"rate": 5.0},
        "amend": {"data": 2},
    }
    body = {} if method == "PATCH" else asked.get(path.rpartition("/")[2])
    return rest.call(method, filled, body)


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test is asked for and not waited for: nobody sends it here."""
    monkeypatch.setattr("events.api.verbs.TEST_GRACE", -1.0)


@pytest.mark.parametrize("identity", IDENTITIES)
@pytest.mark.parametrize(("method", "path", "scope"), WITH_ID)
def test_a_caller_sees_and_changes_their_own_only(
    method: str, path: str, scope: str, identity: str
) -> None:
    acme, globex = world_of(OWN), world_of(OTHER)
    rest = caller(identity, scope)
    gone = call(rest, method, path, absent())
    before = state_of_the_world()
    if identity in ("no key", "wrong key", "expired", "revoked", "wrong scope"):
        status, code = (403, "forbidden") if identity == "wrong scope" else (401, "unauthorized")
        answers = [gone, call(rest, method, path, acme), call(rest, method, path, globex)]
        assert {answer.body for answer in answers} == {gone.body}
        assert (gone.status, gone.code) == (status, code)
        assert ("www-authenticate" in gone.headers) is (status == 401)
        assert state_of_the_world() == before
        return
    assert (gone.status, gone.code) == (404, "not_found")
    mine = {"own tenant": [acme], "other tenant": [globex], "operator": [acme, globex]}[identity]
    for world in (acme, globex):
        if world not in mine:
            theirs = call(rest, method, path, world)
            assert (theirs.status, theirs.headers, theirs.body) == (404, gone.headers, gone.body)
            assert state_of_the_world() == before
    for world in mine:
        done = call(rest, method, path, world)
        assert done.status in ((503,) if path.endswith("/test") else (200, 202, 204)), done.body


def state_of_the_world() -> Any:
    """What a refused request must not have changed."""
    return (
        list(Subscription.objects.order_by("id").values()),
        list(OwedDelivery.objects.order_by("id").values()),
        FinishedDelivery.objects.count(),
        AuditEntry.objects.count(),
    )


def test_no_route_answers_without_a_key_even_to_a_cookie(admin_user: Any) -> None:
    rest, nothing = Rest(None), absent()
    rest.client.force_login(admin_user)
    for method, path, _ in OPERATIONS:
        answer = call(rest, method, path, nothing)
        assert (answer.status, answer.code) == (401, "unauthorized"), (method, path)


@pytest.mark.parametrize(
    "path",
    [
        *("events", "subscriptions", "deliveries", "dead-letters", "dead-letters/groups"),
        *("replays", "bulk"),
    ],
)
def test_a_list_holds_the_callers_own_only(path: str) -> None:
    world_of(OWN)
    world_of(OTHER)
    assert {one["tenant"] for one in of_tenant(OWN).get(path).json["data"]} == {OWN}
    assert {one["tenant"] for one in operator().get(path).json["data"]} == {OWN, OTHER}


@pytest.mark.parametrize("path", ["events", "subscriptions"])
def test_filtering_by_another_tenant_finds_nothing(path: str) -> None:
    world_of(OTHER)
    assert of_tenant(OWN).get(path, tenant=OTHER).json["data"] == []


def test_filtering_by_another_tenants_ids_finds_nothing() -> None:
    world = world_of(OTHER)
    rest = of_tenant(OWN)
    for path, name in [
        ("deliveries", "subscription"),
        ("deliveries", "event"),
        ("deliveries", "replay"),
        ("dead-letters", "subscription"),
        ("dead-letters/groups", "subscription"),
    ]:
        assert rest.get(path, **{name: world[f"{name}_id"]}).json["data"] == []


def test_a_tenants_key_makes_subscriptions_of_its_tenant_only() -> None:
    rest, good = of_tenant(OWN), {"url": "http://127.0.0.1:9999/", "types": ["**"]}
    assert rest.post("subscriptions", good).json["tenant"] == OWN
    refused = rest.post("subscriptions", good | {"tenant": OTHER})
    assert (refused.status, refused.code) == (403, "forbidden")


def test_a_tenants_key_replays_its_own_only() -> None:
    world_of(OTHER)
    theirs, mine = world_of(OTHER + "2"), world_of(OWN)
    rest = of_tenant(OWN)
    dry = {"source": "dead_letters", "dry_run": True}
    assert rest.post("replays", dry).json["total"] == 1
    by_id = dry | {"criteria": {"ids": [theirs["letter_id"], mine["letter_id"]]}}
    assert rest.post("replays", by_id).json["sample"] == [mine["letter_id"]]
    for name, narrowed in [("target", theirs), ("target", absent())]:
        refused = rest.post("replays", dry | {name: narrowed["subscription_id"]})
        assert refused.pointer == "/target"
    asked = rest.post("replays", dry | {"criteria": {"tenant": OTHER}})
    assert asked.status == 422


def test_a_tenant_explains_with_its_own_events_only() -> None:
    mine, theirs = world_of(OWN), world_of(OTHER)
    path = f"subscriptions/{mine['subscription_id']}/explain"
    rest = of_tenant(OWN)
    other = rest.post(path, {"event_id": theirs["event_id"]})
    gone = rest.post(path, {"event_id": absent()["event_id"]})
    assert (other.status, other.body) == (404, gone.body)


def test_a_timeline_does_not_name_an_operators_tap_to_a_tenant() -> None:
    tap = make.subscription(name="tap")
    world = world_of(OWN)
    path = f"events/{world['event_id']}/timeline"
    assert tap.public_id not in of_tenant(OWN).get(path).body.decode()
    assert tap.public_id in operator().get(path).body.decode()


def test_a_status_counts_the_tenants_own_only() -> None:
    world_of(OWN)
    world_of(OTHER)
    mine, everything = of_tenant(OWN).get("status").json, operator().get("status").json
    assert (mine["ledger"]["created"], everything["ledger"]["created"]) == (2, 4)
    assert mine["dead_letters"] == 1
