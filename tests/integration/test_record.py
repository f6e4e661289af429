"""Recording: what came of a batch of sends, fenced by the lease."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from dlq.models import DeadLetter
from events import hooks, operate
from events.engine.claim import Claim
from events.engine.record import record
from events.engine.rescue import STRIKES, rescue
from events.engine.safely import record_safely
from events.models import Attempt, Delivery, Lane, LedgerEntry, OwedDelivery, Subscription
from events.rules.outcome import (
    Blocked,
    Outcome,
    Responded,
    TimedOut,
    TimeoutPhase,
    Unreachable,
    UnreachableKind,
)
from tests import make
from tests.faults import exchanges, kill_session

pytestmark = pytest.mark.usefixtures("lawful")


def claimed(to: Subscription | None = None, many: int = 1) -> list[Claim]:
    target = to or make.subscription(max_concurrency=1_000)
    make.backlog(target, many)
    return make.claims()


def steal(delivery: UUID) -> UUID:
    """The lease runs out, and another worker claims the delivery."""
    OwedDelivery.objects.filter(id=delivery).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    rescue([])
    [one] = make.claims(worker="two")
    return one.lease


def test_a_success_is_delivered_and_leaves_the_hot_table() -> None:
    [one] = claimed()
    record([make.result(one, body=b"fine")], worker="w")
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.last_status) == ("delivered", 1, 200)
    assert row.finished_at is not None
    assert OwedDelivery.objects.count() == 0
    attempt = Attempt.objects.get()
    assert (attempt.delivery, attempt.number, attempt.late) == (one.delivery, 1, False)
    assert (attempt.outcome, attempt.verdict, attempt.worker) == ("responded", "delivered", "w")
    assert bytes(attempt.response_body) == b"fine"


def test_a_failure_is_retried_on_postgres_clock() -> None:
    [one] = claimed()
    record([make.result(one, Responded(503), schedule=[100.0])], worker="w")
    row = OwedDelivery.objects.get()
    assert (row.state, row.attempts, row.lease, row.last_status) == ("pending", 1, None, 503)
    assert row.last_error == "503 Service Unavailable"
    wait = row.due_at - timezone.now()
    assert timedelta(seconds=95) < wait <= timedelta(seconds=101)
    assert Attempt.objects.get().verdict == "retry"


def test_a_failure_of_the_last_attempt_is_dead_and_a_dead_letter() -> None:
    [one] = claimed()
    record([make.result(one, Responded(500), body=b"Oops 17")], worker="w")
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == ("dead", 1)
    letter = DeadLetter.objects.select_related("signature").get()
    assert letter.id == one.delivery
    assert (letter.status, letter.state, letter.attempts) == (500, "open", 1)
    assert "500" in letter.reason
    assert letter.signature.words == "Oops #"


def test_410_kills_the_delivery_and_disables_its_subscription() -> None:
    to = make.subscription(schedule=[60.0])
    waiting = make.owed(to)
    [one] = make.claims(want=1)
    make.owed(to)
    record([make.result(one, Responded(410), schedule=[60.0])], worker="w")
    row = Subscription.objects.get()
    assert (row.state, row.state_by) == ("disabled", "redrive")
    assert "410" in row.state_reason
    assert make.delivery(waiting).state == "dead"
    assert DeadLetter.objects.count() == 1
    assert OwedDelivery.objects.count() == 1
    assert make.claims() == []


@pytest.mark.parametrize(
    "outcome",
    [
        Responded(302),
        Unreachable(UnreachableKind.TLS, "bad\0certificate \ud800"),
        TimedOut(TimeoutPhase.TOTAL, ""),
        Blocked("a private address"),
    ],
)
def test_every_outcome_can_be_recorded(outcome: Outcome) -> None:
    [one] = claimed()
    record([make.result(one, outcome, schedule=[1.0], body=b"\x00\xff")], worker="w")
    attempt = Attempt.objects.get()
    assert attempt.error
    assert bytes(attempt.response_body) == b"\x00\xff"


def test_a_late_worker_cannot_overwrite_the_new_owner() -> None:
    [one] = claimed()
    lease = steal(one.delivery)
    record([make.result(one)], worker="one")
    row = OwedDelivery.objects.get()
    assert (row.state, row.lease, row.worker) == ("in_flight", lease, "two")
    assert row.attempts == 0
    attempt = Attempt.objects.get()
    assert (attempt.late, attempt.verdict, attempt.worker) == (True, "delivered", "one")


def test_a_late_result_in_the_batch_of_the_new_owner_counts_for_nothing() -> None:
    """One process may hold both: it claimed the delivery again after its own lease ran out."""
    [old] = claimed()
    OwedDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    rescue([])
    [new] = make.claims()
    record([make.result(old, Responded(410)), make.result(new)], worker="one")
    assert make.delivery(old.delivery).state == "delivered"
    assert DeadLetter.objects.count() == 0
    assert Subscription.objects.get().state == "active"
    assert sorted(Attempt.objects.values_list("verdict", "late")) == [
        ("dead", True),
        ("delivered", False),
    ]


def test_a_late_death_buries_nothing_and_moves_no_breaker() -> None:
    [one] = claimed()
    steal(one.delivery)
    record([make.result(one, Responded(410))], worker="one")
    assert DeadLetter.objects.count() == 0
    assert Lane.objects.get().failures == 0
    assert Subscription.objects.get().state == "active"
    assert Attempt.objects.get().late


def test_a_batch_keeps_the_verdicts_that_are_its_own() -> None:
    claims = claimed(many=3)
    steal(claims[1].delivery)
    record([make.result(one) for one in claims], worker="one")
    states = [make.delivery(one.delivery).state for one in claims]
    assert states == ["delivered", "in_flight", "delivered"]
    late = dict(Attempt.objects.values_list("delivery", "late"))
    assert late == dict(zip((c.delivery for c in claims), (False, True, False), strict=True))


def test_a_send_whose_delivery_was_cancelled_is_kept_as_late() -> None:
    [one] = claimed()
    operate.cancel(actor=make.ACTOR, delivery=one.delivery)
    record([make.result(one)], worker="w")
    assert Delivery.objects.get().state == "cancelled"
    assert Attempt.objects.get().late


def test_a_batch_is_as_many_statements_as_one() -> None:
    one, *many = claimed(many=41)
    alone = exchanges(lambda: record([make.result(one)], worker="w"))
    assert exchanges(lambda: record([make.result(c) for c in many], worker="w")) == alone
    assert LedgerEntry.objects.filter(delivered=40).count() == 1


def test_five_failures_in_a_row_open_the_breaker() -> None:
    to = make.subscription(max_concurrency=100)
    claims = claimed(to, many=6)
    record([make.result(c, Responded(500), schedule=[60.0]) for c in claims[:4]], worker="w")
    assert Lane.objects.get().state == "closed"
    record([make.result(claims[4], Responded(500), schedule=[60.0])], worker="w")
    lane = Lane.objects.get()
    assert (lane.state, lane.failures) == ("open", 5)
    assert lane.retry_at > timezone.now()
    # One that was under way when it opened neither closes nor prolongs it.
    record([make.result(claims[5])], worker="w")
    assert Lane.objects.get().retry_at == lane.retry_at


def test_our_own_faults_and_the_events_own_leave_the_breaker_closed() -> None:
    claims = claimed(many=40)
    ours = [Blocked("x"), Unreachable(UnreachableKind.RESOLVER, ""), Responded(422)]
    record([make.result(c, ours[n % 3], schedule=[60.0]) for n, c in enumerate(claims)], worker="w")
    lane = Lane.objects.get()
    assert (lane.state, lane.failures) == ("closed", 0)


def test_a_probe_that_fails_doubles_the_wait_and_one_that_succeeds_closes() -> None:
    to = make.subscription()
    for _ in range(3):
        make.owed(to)
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    for outcome, state in ((Responded(500), "open"), (Responded(200), "closed")):
        Lane.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
        assert len(make.recorded(outcome, schedule=[60.0])) == 1
        assert Lane.objects.get().state == state


def test_a_poison_row_harms_only_itself() -> None:
    """A trigger refuses one delivery's attempt, as a row that Postgres cannot store would."""
    claims = claimed(many=5)
    poison = claims[2]
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.delivery_id = '{poison.delivery}' THEN RAISE EXCEPTION 'poison' "
            "USING ERRCODE = 'data_exception'; END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER poison BEFORE INSERT ON events_attempt "
            "FOR EACH ROW EXECUTE FUNCTION refuse_poison()"
        )
    try:
        record_safely([make.result(c) for c in claims], "w")
        states = [make.delivery(c.delivery).state for c in claims]
        assert states == ["delivered", "delivered", "pending", "delivered", "delivered"]
        for strike in range(2, STRIKES + 1):
            make.due_now()
            [again] = make.claims()
            assert OwedDelivery.objects.get().strikes == strike - 1
            record_safely([make.result(again)], "w")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse_poison CASCADE")
    row = make.delivery(poison.delivery)
    assert (row.state, row.attempts) == ("dead", 0)
    assert DeadLetter.objects.get().reason.startswith("poison")


def test_verdicts_are_recorded_when_postgres_is_back() -> None:
    """The session dies under the record: the batch is held, and written on the next one."""
    claims = claimed(many=3)
    kill_session()
    record_safely([make.result(c) for c in claims], "w")
    assert OwedDelivery.objects.count() == 0
    assert Attempt.objects.count() == 3


def test_what_runs_in_the_transaction_of_a_death_can_refuse_it() -> None:
    """A hook that fails takes the verdicts of its batch with it, and nothing is half done."""

    def refuse(_: object) -> None:
        raise DatabaseError("no burial today")

    [one] = claimed()
    hooks.on_dead.append(refuse)
    try:
        with pytest.raises(DatabaseError):
            record([make.result(one, Responded(500))], worker="w")
    finally:
        hooks.on_dead.remove(refuse)
    assert OwedDelivery.objects.get().lease == one.lease
    assert Attempt.objects.count() == DeadLetter.objects.count() == 0
