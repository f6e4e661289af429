"""Dead letters and replays over REST."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from dlq.models import DeadLetter, LetterState, Replay
from dlq.replay import step
from events.models import Delivery, OwedDelivery
from events.rules.ids import Prefix, decode, encode
from events.rules.outcome import Responded
from tests import make
from tests.rest import Rest, operator

pytestmark = pytest.mark.django_db


def public(letter: UUID) -> str:
    return encode(Prefix.DEAD_LETTER, letter)


def letters(**query: Any) -> list[str]:
    answer = operator().get("dead-letters", **query)
    assert answer.status == 200, answer.body
    return [one["id"] for one in answer.json["data"]]


def ordered(rest: Rest | None = None, **fields: Any) -> Any:
    body = {"source": "dead_letters"} | fields
    answer = (rest or operator()).post("replays", body)
    assert answer.status == 202, answer.body
    return answer.json


def run(shown: Any) -> None:
    replay = decode(Prefix.REPLAY, shown["id"])
    assert replay is not None
    while step(replay):
        pass


def test_open_dead_letters_are_listed_newest_first() -> None:
    one, two = make.dead(make.subscription(), 2)
    assert letters() == [public(two), public(one)]
    found = operator().get(f"dead-letters/{public(one)}").json
    assert (found["status"], found["state"], found["attempts"]) == (500, "open", 1)
    assert found["delivery"] == encode(Prefix.DELIVERY, one)


def test_dead_letters_are_found_by_group_subscription_type_and_time() -> None:
    one, two = make.subscription(types=["order.paid"]), make.subscription(types=["none"])
    [first] = make.dead(one, body=b"no such order 17")
    [second] = make.dead(one, status=404)
    assert letters(subscription=two.public_id) == []
    assert letters(subscription=one.public_id) == [public(second), public(first)]
    group = operator().get(f"dead-letters/{public(first)}").json["group"]
    assert letters(group=group) == [public(first)]
    assert letters(type="order.*", since="2026-01-01T00:00:00Z") == [public(second), public(first)]
    assert letters(before="2026-01-01T00:00:00Z") == []
    assert letters(state="discarded") == []


@pytest.mark.django_db(transaction=True)
def test_groups_are_paged_with_the_one_that_grew_last_first() -> None:
    to = make.subscription()
    for status in (500, 404, 400):
        make.dead(to, 2, status=status)
    rest = operator()
    first = rest.get("dead-letters/groups", limit=2).json
    assert [(one["status"], one["open"]) for one in first["data"]] == [(400, 2), (404, 2)]
    rest_of = rest.get("dead-letters/groups", limit=2, cursor=first["next_cursor"]).json
    assert [one["status"] for one in rest_of["data"]] == [500]
    assert rest_of["next_cursor"] is None
    assert rest_of["data"][0]["subscription"] == to.public_id


def test_one_dead_letter_is_replayed_once() -> None:
    to = make.subscription()
    [letter] = make.dead(to)
    rest = operator()
    answer = rest.post(f"dead-letters/{public(letter)}/replay")
    again = rest.post(f"dead-letters/{public(letter)}/replay")
    assert (answer.status, again.status) == (202, 202)
    assert answer.json["total"] == 1
    run(answer.json)
    run(again.json)
    owed = OwedDelivery.objects.get()
    assert owed.webhook_id == letter
    refused = rest.post(f"dead-letters/{public(letter)}/replay")
    assert (refused.status, refused.code) == (409, "wrong_state")


def test_a_discarded_dead_letter_is_off_the_list_and_stays_so() -> None:
    [letter] = make.dead(make.subscription())
    rest = operator()
    answer = rest.post(f"dead-letters/{public(letter)}/discard")
    assert (answer.status, answer.json["state"]) == (200, "discarded")
    assert answer.json["settled_by"] == "key:shop"
    assert letters() == []
    for verb in ("discard", "replay"):
        assert rest.post(f"dead-letters/{public(letter)}/{verb}").code == "wrong_state"


def test_a_dry_run_counts_and_writes_nothing() -> None:
    one, two = make.subscription(types=["a"]), make.subscription(types=["order.paid"])
    made = make.dead(two, 3)
    answer = operator().post("replays", {"source": "dead_letters", "dry_run": True})
    assert answer.status == 200
    assert answer.json["total"] == 3
    assert answer.json["by_subscription"] == {two.public_id: 3}
    assert set(answer.json["sample"]) == {public(letter) for letter in made}
    moved = {"source": "dead_letters", "dry_run": True, "target": one.public_id}
    assert operator().post("replays", moved).json["by_subscription"] == {one.public_id: 3}
    assert not Replay.objects.exists()


def test_a_replay_is_followed_to_its_outcomes() -> None:
    make.dead(make.subscription(), 3)
    shown = ordered()
    rest = operator()
    assert rest.get(f"replays/{shown['id']}").json["state"] == "running"
    run(shown)
    found = rest.get(f"replays/{shown['id']}").json
    assert (found["state"], found["made"], found["skipped"]) == ("done", 3, 0)
    assert found["outcomes"] == {"pending": 3}
    assert [one["id"] for one in rest.get("replays").json["data"]] == [shown["id"]]
    assert rest.get("replays", state="running").json["data"] == []
    delivered = rest.get("deliveries", replay=shown["id"]).json["data"]
    assert len(delivered) == 3


def test_only_what_meets_the_criteria_is_replayed() -> None:
    one = make.subscription(types=["a"])
    two = make.subscription(types=["b"])
    make.owed(one, type="a")
    make.owed(two, type="b")
    make.recorded(Responded(500))
    letter = DeadLetter.objects.get(subscription=one.id)
    run(ordered(criteria={"subscription": one.public_id, "type": "a"}))
    run(ordered(criteria={"ids": [public(letter.id)]}))
    assert OwedDelivery.objects.get().subscription == one.id
    shown = ordered(criteria={"ids": [public(letter.id)], "group": str(letter.signature_id)})
    assert shown["criteria"]["ids"] == [public(letter.id)]
    assert shown["total"] == 0


def test_an_idempotency_key_makes_repeats_one_replay() -> None:
    make.dead(make.subscription())
    rest = operator()
    body = {"source": "dead_letters", "criteria": {"type": "**"}}
    first = rest.post("replays", body, Idempotency_Key="k")
    again = rest.post("replays", body, Idempotency_Key="k")
    assert first.json["id"] == again.json["id"]
    other = rest.post("replays", body | {"fresh": True}, Idempotency_Key="k")
    assert (other.status, other.code) == (409, "identity_conflict")
    theirs = operator().post("replays", body, Idempotency_Key="k")
    assert theirs.json["id"] != first.json["id"]


def test_a_cancelled_replay_makes_no_more() -> None:
    make.dead(make.subscription(), 2)
    shown = ordered(rate=0.001)
    rest = operator()
    answer = rest.post(f"replays/{shown['id']}/cancel")
    assert (answer.status, answer.json["state"]) == (200, "cancelled")
    run(shown)
    assert not OwedDelivery.objects.exists()
    assert rest.post(f"replays/{shown['id']}/cancel").code == "wrong_state"


def test_events_are_replayed_to_one_subscription() -> None:
    events = make.published(make.event(), make.event(type="other"))
    to = make.subscription()
    since = "2026-01-01T00:00:00Z"
    run(
        ordered(
            source="events",
            target=to.public_id,
            criteria={"since": since, "type": "order.*"},
        )
    )
    assert Delivery.objects.get().event == events[0]


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"source": "logs"}, "invalid_field", "/source"),
        ({"source": "events"}, "missing_field", "/target"),
        ({"rate": 0}, "invalid_field", "/rate"),
        ({"rate": "5"}, "invalid_field", "/rate"),
        ({"fresh": "yes"}, "invalid_field", "/fresh"),
        ({"criteria": {"ids": ["evt_" + "0" * 26]}}, "invalid_field", "/criteria/ids/0"),
        ({"criteria": {"group": "x"}}, "invalid_field", "/criteria/group"),
        ({"criteria": {"subscription": "x"}}, "invalid_field", "/criteria/subscription"),
        ({"criteria": {"type": "a..b"}}, "invalid_field", "/criteria/type"),
        ({"criteria": {"tenant": "\0"}}, "invalid_text", "/criteria/tenant"),
        ({"criteria": {"colour": 1}}, "unknown_field", "/criteria/colour"),
        ({"criteria": []}, "invalid_field", "/criteria"),
        ({"target": "sub_" + "0" * 26}, "invalid_field", "/target"),
    ],
)
def test_a_wrong_order_is_refused_with_its_place(
    fields: dict[str, Any], code: str, pointer: str
) -> None:
    refused = operator().post("replays", {"source": "dead_letters"} | fields)
    assert refused.status == 422, refused.body
    assert (refused.code, refused.pointer) == (code, pointer)


def test_events_need_a_beginning_and_no_group() -> None:
    to = make.subscription().public_id
    rest, body = operator(), {"source": "events", "target": to}
    assert rest.post("replays", body).pointer == "/criteria/since"
    grouped = body | {"criteria": {"group": "0" * 32, "since": "2026-01-01T00:00:00Z"}}
    assert rest.post("replays", grouped).pointer == "/criteria/group"


def test_a_subscription_of_a_tenant_is_replayed_that_tenants_events_only() -> None:
    make.published(make.event(tenant="acme"), make.event(tenant="other"), make.event())
    to = make.subscription(tenant="acme")
    criteria = {"since": "2026-01-01T00:00:00Z"}
    run(ordered(source="events", target=to.public_id, criteria=criteria))
    assert [row.tenant for row in OwedDelivery.objects.all()] == ["acme"]
    body = {"source": "events", "target": to.public_id}
    refused = operator().post("replays", body | {"criteria": criteria | {"tenant": "other"}})
    assert refused.pointer == "/criteria/tenant"


def test_a_letter_that_was_settled_elsewhere_is_not_replayed_by_criteria() -> None:
    [letter] = make.dead(make.subscription())
    DeadLetter.objects.filter(id=letter).update(state=LetterState.REPLAYED)
    assert ordered()["total"] == 0
