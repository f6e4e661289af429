"""Subscriptions over REST: what may be asked for, what is kept, what is shown."""

from __future__ import annotations

from typing import Any

import pytest

from events.models import AuditEntry, Delivery, Epoch, Secret, Subscription
from events.rules import signing
from events.rules.ids import Prefix, encode
from events.vault import decrypt
from tests import make
from tests.make import SECRET
from tests.rest import operator

pytestmark = pytest.mark.django_db

URL = "http://127.0.0.1:9999/hook"
GOOD: dict[str, Any] = {"url": URL, "types": ["order.*"]}


def created(**fields: Any) -> dict[str, Any]:
    answer = operator().post("subscriptions", GOOD | fields)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def row_of(shown: dict[str, Any]) -> Subscription:
    return Subscription.objects.get(name=shown["name"], url=shown["url"])


def test_a_subscription_is_made_of_a_url_and_patterns_alone() -> None:
    rest = operator()
    answer = rest.post("subscriptions", GOOD)
    assert answer.status == 201
    made = answer.json
    assert answer.headers["location"] == f"/api/v1/subscriptions/{made['id']}"
    assert made["state"] == "active"
    assert made["breaker"]["state"] == "closed"
    assert made["schedule"][0] == 5
    read = rest.get(answer.headers["location"])
    assert read.status == 200
    assert read.json == {name: value for name, value in made.items() if name != "secret"}


def test_every_field_that_is_sent_is_kept() -> None:
    fields = {
        "name": "Orders",
        "types": ["order.*", "payment.**"],
        "filter": "data.total > 100",
        "tenant": "acme",
        "schedule": [1, 2.5],
        "timeout": 3.5,
        "max_concurrency": 7,
        "rate_limit": 12.5,
        "adaptive": True,
        "ordered": True,
        "format": "structured",
    }
    made = created(**fields)
    assert {name: made[name] for name in fields} == fields


def test_a_secret_is_shown_once_and_kept_encrypted() -> None:
    made = created()
    assert made["secret"].startswith("whsec_")
    kept = Secret.objects.get()
    assert made["secret"] not in kept.encrypted
    assert decrypt(kept.encrypted) == made["secret"]
    assert "secret" not in operator().get(f"subscriptions/{made['id']}").json


def test_an_ed25519_key_shows_its_public_half_always() -> None:
    made = created(signing="ed25519")
    assert made["secret"].startswith("whsk_")
    [key] = operator().get(f"subscriptions/{made['id']}").json["signing_keys"]
    assert key["algorithm"] == "ed25519"
    assert key["public_key"] == signing.public_key(made["secret"])


def test_a_secret_can_be_brought_along_if_it_can_sign() -> None:
    assert created(secret=SECRET)["secret"] == SECRET
    refused = operator().post("subscriptions", GOOD | {"secret": "whsec_short"})
    assert (refused.code, refused.pointer) == ("invalid_field", "/secret")


def test_headers_are_kept_in_lower_case_and_shown_by_name_only() -> None:
    made = created(name="h", headers={"X-Team": "blue", "x-other": "1"})
    assert made["headers"] == ["x-other", "x-team"]
    assert opened(made) == {"x-team": "blue", "x-other": "1"}
    assert "blue" not in str(row_of(made).headers)
    assert b"blue" not in operator().get("subscriptions").body


def test_a_change_of_headers_is_a_merge() -> None:
    made = created(name="h", headers={"x-a": "1", "x-b": "2"})
    rest = operator()
    changed = rest.patch(f"subscriptions/{made['id']}", {"headers": {"X-B": None, "x-c": "3"}})
    assert changed.json["headers"] == ["x-a", "x-c"]
    assert opened(made) == {"x-a": "1", "x-c": "3"}


def opened(made: dict[str, Any]) -> dict[str, str]:
    """The headers of a subscription, decrypted."""
    return {name: decrypt(value) for name, value in row_of(made).headers.items()}


def test_credentials_are_encrypted_and_never_shown() -> None:
    made = created(name="b", authentication="basic", credentials="me:pa55word")
    assert made["authentication"] == "basic"
    row = row_of(made)
    assert decrypt(row.credentials) == "me:pa55word"
    assert b"pa55word" not in operator().get(f"subscriptions/{made['id']}").body
    assert "credentials" not in made
    assert "pa55word" not in str(list(AuditEntry.objects.values()))


def test_a_change_touches_only_what_it_names() -> None:
    made = created(name="one", rate_limit=5)
    rest = operator()
    changed = rest.patch(f"subscriptions/{made['id']}", {"rate_limit": None, "name": "two"})
    assert changed.status == 200
    assert changed.json["rate_limit"] is None
    same = made.keys() - {"rate_limit", "name", "updated_at", "secret"}
    assert {n: changed.json[n] for n in same} == {n: made[n] for n in same}


def test_an_empty_change_changes_nothing() -> None:
    made = created()
    changed = operator().patch(f"subscriptions/{made['id']}", {})
    assert (changed.status, changed.json["url"]) == (200, URL)


def test_a_tenant_cannot_be_changed() -> None:
    made = created(tenant="acme")
    refused = operator().patch(f"subscriptions/{made['id']}", {"tenant": "other"})
    assert (refused.code, refused.pointer) == ("unknown_field", "/tenant")


def test_a_change_cannot_bring_an_authorization_header_beside_credentials() -> None:
    made = created(authentication="bearer", credentials="t")
    path = f"subscriptions/{made['id']}"
    refused = operator().patch(path, {"headers": {"authorization": "x"}})
    assert refused.pointer == "/headers/authorization"
    plain = created(headers={"authorization": "x"})
    path = f"subscriptions/{plain['id']}"
    refused = operator().patch(path, {"authentication": "bearer", "credentials": "t"})
    assert refused.pointer == "/headers/authorization"


def test_another_way_of_authentication_needs_credentials_of_its_own() -> None:
    made = created(name="b", authentication="basic", credentials="a:b")
    path, rest = f"subscriptions/{made['id']}", operator()
    assert rest.patch(path, {"authentication": "bearer"}).code == "missing_field"
    assert rest.patch(path, {"authentication": "basic", "timeout": 2}).status == 200
    assert decrypt(row_of(made).credentials) == "a:b"
    assert rest.patch(path, {"authentication": "none"}).json["authentication"] == "none"
    assert row_of(made).credentials == ""


def test_a_change_moves_the_epoch_only_if_matching_changes() -> None:
    made, rest = created(), operator()
    before = Epoch.objects.get().value
    rest.patch(f"subscriptions/{made['id']}", {"types": ["**"]})
    assert Epoch.objects.get().value > before


def test_a_deleted_subscription_is_gone_and_its_deliveries_are_cancelled() -> None:
    to = make.subscription()
    owed = make.owed(to)
    rest = operator()
    assert rest.delete(f"subscriptions/{to.public_id}").status == 204
    assert rest.get(f"subscriptions/{to.public_id}").status == 404
    assert rest.delete(f"subscriptions/{to.public_id}").status == 404
    assert Delivery.objects.get(id=owed).state == "cancelled"


def test_deleting_goes_on_where_a_kill_left_it() -> None:
    to = make.subscription()
    owed = make.owed(to)
    Subscription.objects.filter(id=to.id).update(deleted_at=to.created_at)
    assert operator().delete(f"subscriptions/{to.public_id}").status == 204
    assert Delivery.objects.get(id=owed).state == "cancelled"


def test_lists_are_filtered_and_paged_newest_first() -> None:
    made = [created(name=str(number))["id"] for number in range(5)]
    rest = operator()
    rest.post(f"subscriptions/{made[2]}/pause")
    first = rest.get("subscriptions", limit=3).json
    assert [one["id"] for one in first["data"]] == made[:1:-1]
    second = rest.get("subscriptions", limit=3, cursor=first["next_cursor"]).json
    assert [one["id"] for one in second["data"]] == made[1::-1]
    assert second["next_cursor"] is None
    paused = rest.get("subscriptions", state="paused").json["data"]
    assert [one["id"] for one in paused] == [made[2]]


def test_explain_says_whether_and_why() -> None:
    to = make.subscription(types=["order.*"], filter="data.n > 5")
    other = make.subscription(types=["payment.**"])
    acme = make.subscription(types=["**"], tenant="acme")
    [small] = make.published(make.event(data=b'{"n":1}'))
    [big] = make.published(make.event(data=b'{"n":9}'))
    rest = operator()

    def told(subscription: Subscription, event: Any) -> Any:
        body = {"event_id": encode(Prefix.EVENT, event)}
        return rest.post(f"subscriptions/{subscription.public_id}/explain", body).json

    assert told(to, small)["kind"] == "filter"
    found = told(to, big)
    assert (found["matches"], found["kind"], len(found["deliveries"])) == (True, "match", 1)
    assert told(other, big)["kind"] == "pattern"
    assert told(acme, big)["kind"] == "tenant"


def test_explaining_an_event_that_is_not_there_is_404() -> None:
    to = make.subscription()
    rest = operator()
    absent = {"event_id": "evt_" + "0" * 26}
    assert rest.post(f"subscriptions/{to.public_id}/explain", absent).status == 404
    wrong = rest.post(f"subscriptions/{to.public_id}/explain", {"event_id": "x"})
    assert (wrong.code, wrong.pointer) == ("invalid_field", "/event_id")
