"""Dead letters: buried with the death, grouped with what failed alike, discarded and restored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dlq import select, settle
from dlq.models import DeadLetter, LetterState, Signature
from dlq.select import Criteria
from dlq.settle import discard, restore
from events import operate
from events.engine.claim import Claim
from events.engine.record import record
from events.models import AuditEntry, LedgerEntry
from events.rules.outcome import Responded, Unreachable, UnreachableKind
from tests import make
from tests.faults import exchanges, together

pytestmark = pytest.mark.usefixtures("lawful")


def test_a_dead_letter_says_what_died_and_why() -> None:
    to = make.subscription(tenant="acme")
    [delivery] = [make.owed(to, tenant="acme", type="order.paid")]
    make.recorded(Responded(500), body=b"no room for order 17")
    letter = DeadLetter.objects.select_related("signature").get()
    assert (letter.id, letter.subscription, letter.owner) == (delivery, to.id, "acme")
    assert (letter.event_type, letter.attempts, letter.status) == ("order.paid", 1, 500)
    assert letter.reason == "the only attempt failed with 500 Internal Server Error"
    group = letter.signature
    assert (group.words, group.outcome, group.owner) == ("no room for order #", "responded", "acme")
    assert (group.total, group.open) == (1, 1)
    assert group.first_at == group.last_at == letter.died_at


def test_deaths_that_are_alike_share_a_group() -> None:
    to, other = make.subscription(types=["a"]), make.subscription(types=["b"])
    bodies = [b"order 1 at 12:00:01", b"order 2  at 12:59:59\n", b"order 33 at 01:02:03"]
    for body in bodies:
        make.published(make.event(type="a"))
        make.recorded(Responded(500), body=body)
    make.published(make.event(type="a"))
    make.recorded(Responded(502), body=bodies[0])
    make.published(make.event(type="b"))
    make.recorded(Responded(500), body=bodies[0])
    counts = Signature.objects.values_list("subscription", "status", "total")
    assert set(counts) == {(to.id, 500, 3), (to.id, 502, 1), (other.id, 500, 1)}
    group = Signature.objects.get(subscription=to.id, status=500)
    assert group.first_at < group.last_at


def test_a_death_without_a_response_is_grouped_by_its_error() -> None:
    make.owed(make.subscription())
    make.recorded(Unreachable(UnreachableKind.REFUSED, "os error 111"))
    assert Signature.objects.get().words == "connection refused: os error #"


def test_a_body_of_odd_bytes_is_buried() -> None:
    make.owed(make.subscription())
    make.recorded(Responded(500), body=b"a\0b\xff\xed\xa0\x80" + "é\u202e".encode() * 300)
    assert Signature.objects.get().words.startswith("ab")


def test_burying_a_batch_is_one_statement_more() -> None:
    make.backlog(make.subscription(max_concurrency=1_000), 41)
    one, *many = make.claims()
    alone = exchanges(lambda: record([make.result(one, Responded(500))], worker="w"))
    results = [make.result(claimed, Responded(500)) for claimed in many]
    assert exchanges(lambda: record(results, worker="w")) == alone
    assert Signature.objects.get().total == 41


def test_deaths_at_once_with_the_same_groups_never_deadlock() -> None:
    lanes = [make.subscription(max_concurrency=1_000) for _ in range(6)]
    for _ in range(16):
        make.published(make.event())
    claims = make.claims()
    parts = [claims[n::8][:: -1 if n % 2 else 1] for n in range(8)]
    together([lambda part=part: _bury(part) for part in parts])
    assert set(Signature.objects.values_list("total", "open")) == {(16, 16)}
    assert Signature.objects.count() == len(lanes)


def _bury(claims: list[Claim]) -> None:
    record([make.result(one, Responded(500)) for one in claims], worker="w")


def test_a_cancelled_delivery_is_no_dead_letter() -> None:
    operate.cancel(actor=make.ACTOR, delivery=make.owed(make.subscription()))
    assert DeadLetter.objects.count() == 0


def test_discarding_puts_a_letter_away_and_its_delivery_stays_dead() -> None:
    letters = make.dead(make.subscription(), 3)
    assert discard(Criteria(ids=(letters[0],)), actor=make.ACTOR).count == 1
    row = DeadLetter.objects.get(id=letters[0])
    assert (row.state, row.settled_by) == (LetterState.DISCARDED, make.ACTOR)
    assert row.settled_at is not None
    assert Signature.objects.get().open == 2
    assert make.delivery(letters[0]).state == "dead"
    assert sum(LedgerEntry.objects.values_list("dead", flat=True)) == 3
    assert AuditEntry.objects.filter(action="discard", target=row.public_id).count() == 1


def test_discarding_twice_or_at_once_counts_once() -> None:
    letters = make.dead(make.subscription(max_concurrency=100), 40)
    done = together([lambda: discard(Criteria(), actor=make.ACTOR)] * 4)
    assert sum(one.count for one in done) == len(letters)
    assert discard(Criteria(), actor=make.ACTOR).count == 0
    assert Signature.objects.get().open == 0


def test_a_discard_is_undone_by_restoring() -> None:
    letters = make.dead(make.subscription(), 3)
    discard(Criteria(), actor=make.ACTOR)
    assert restore(Criteria(ids=tuple(letters[:2])), actor=make.ACTOR) == 2
    assert Signature.objects.get().open == 2
    assert DeadLetter.objects.filter(state="open", settled_at=None, settled_by="").count() == 2


def test_an_undo_takes_back_its_own_discard_and_no_earlier_one() -> None:
    letters = make.dead(make.subscription(), 5)
    discard(Criteria(ids=(letters[0],)), actor=make.ACTOR)
    later = discard(Criteria(), actor=make.ACTOR)
    assert (later.count, restore(Criteria(), actor=make.ACTOR, at=later.at)) == (4, 4)
    assert DeadLetter.objects.get(id=letters[0]).state == LetterState.DISCARDED
    assert Signature.objects.get().open == 4


def test_more_than_a_slice_is_discarded_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "AT_ONCE", 2)
    make.dead(make.subscription(), 5)
    done = discard(Criteria(), actor=make.ACTOR)
    assert done.count == 5
    assert AuditEntry.objects.filter(action="discard").count() == 3
    assert restore(Criteria(), actor=make.ACTOR, at=done.at) == 5
    assert Signature.objects.get().open == 5


def test_criteria_narrow_what_is_meant() -> None:
    ours, theirs = make.subscription(tenant="acme"), make.subscription(tenant="other")
    for tenant in ("acme", "other"):
        for name in ("order.paid", "order.sent.late", "cart"):
            make.published(make.event(tenant=tenant, type=name))
    make.recorded(Responded(500))
    first = DeadLetter.objects.order_by("died_at").first()
    wanted = {
        Criteria(): 6,
        Criteria(tenant="acme"): 3,
        Criteria(subscription=theirs.id): 3,
        Criteria(subscription=ours.id, tenant="other"): 0,
        Criteria(type="cart"): 2,
        Criteria(type="order.*"): 2,
        Criteria(type="order.**"): 4,
        Criteria(type="**"): 6,
        Criteria(type="ord"): 0,
        Criteria(ids=()): 0,
        Criteria(group=first.signature_id): 3,
        Criteria(since=first.died_at, before=first.died_at + timedelta(hours=1)): 6,
        Criteria(before=first.died_at): 0,
    }
    for criteria, count in wanted.items():
        assert select.dead_letters(criteria).count() == count, criteria
        assert Criteria.from_json(criteria.as_json()) == criteria
