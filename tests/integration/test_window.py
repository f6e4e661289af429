"""The window: claim, send, record, refill, against a real endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from standardwebhooks import Webhook

from dlq.models import DeadLetter
from events import operate
from events.engine.run import FRESH
from events.engine.transport import Transport
from events.models import Attempt, Lane, OwedDelivery, Secret, Subscription
from events.vault import encrypt
from tests import make
from tests.engine import Engine
from tests.faults import kill_other_sessions
from tests.receiver import Receiver

pytestmark = pytest.mark.usefixtures("lawful")


def test_a_retry_sends_the_same_id_and_body_with_a_signature_of_its_own(
    engine: Engine, receiver: Receiver
) -> None:
    delivery = make.owed(make.subscription(receiver.url("/then/500/503/200"), schedule=[60.0] * 5))
    for attempts, state in ((1, "pending"), (2, "pending"), (3, "delivered")):
        engine.run()
        row = make.delivery(delivery)
        assert (row.attempts, row.state) == (attempts, state)
        make.due_now()
    first, second, third = receiver.wait(3)
    assert len({r.headers["webhook-id"] for r in (first, second, third)}) == 1
    assert first.body == second.body == third.body
    assert first.headers["traceparent"] != second.headers["traceparent"]
    Webhook(make.SECRET).verify(third.body, third.headers)
    numbers = Attempt.objects.order_by("id").values_list("number", "status", "verdict")
    assert list(numbers) == [(1, 500, "retry"), (2, 503, "retry"), (3, 200, "delivered")]


def test_a_delivery_out_of_attempts_is_dead_and_buried(engine: Engine, receiver: Receiver) -> None:
    delivery = make.owed(make.subscription(receiver.url("/status/500"), schedule=[]))
    engine.run()
    assert make.delivery(delivery).state == "dead"
    letter = DeadLetter.objects.select_related("signature").get()
    assert letter.signature.words == "status #"
    assert letter.reason.startswith("the only attempt failed")


def test_retry_after_puts_a_retry_off(engine: Engine, receiver: Receiver) -> None:
    make.owed(make.subscription(receiver.url("/later/3000"), schedule=[1.0]))
    engine.run()
    wait = OwedDelivery.objects.get().due_at - timezone.now()
    assert timedelta(seconds=2_980) < wait < timedelta(seconds=3_001)


def test_410_disables_the_subscription_at_once(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/gone"), max_concurrency=1)
    make.backlog(to, 3)
    engine.run()
    assert len(receiver.requests) == 1
    assert Subscription.objects.get().state == "disabled"
    assert OwedDelivery.objects.filter(state="pending", attempts=0).count() == 2


def test_a_redirect_is_a_failure_and_the_trap_sees_nothing(
    engine: Engine, receiver: Receiver
) -> None:
    with Receiver() as trap:
        to = make.subscription(receiver.url(f"/redirect?{trap.url()}"))
        make.subscription(receiver.url("/redirect?http://169.254.169.254/latest/meta-data"))
        make.owed(to)
        engine.run()
        assert trap.requests == []
    assert set(Attempt.objects.values_list("status", "verdict")) == {(302, "retry")}
    assert "a redirect" in OwedDelivery.objects.first().last_error


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/",
        "http://10.0.0.1/",
        "http://[::1]:8080/",
        "http://0x7f.1/",
        "http://metadata.google.internal/",
    ],
)
def test_a_blocked_address_is_never_connected_to(engine: Engine, url: str) -> None:
    """Saved before the guard knew it, or resolved to it since."""
    make.owed(make.subscription(url))
    engine.run()
    attempt = Attempt.objects.get()
    assert attempt.outcome == "blocked"
    assert (attempt.address, attempt.first_byte_ms) == ("", None)
    assert attempt.error.startswith("blocked address")
    assert Lane.objects.get().failures == 0


def test_a_name_that_points_to_a_closed_network_is_blocked(
    engine: Engine, receiver: Receiver
) -> None:
    """`localhost` is let through by the allowance of tests, and not without it."""
    make.owed(make.subscription(receiver.url(host="localhost"), schedule=[60.0, 60.0]))
    engine.window._transport = Transport(allowed=(), user_agent="x")
    engine.run()
    assert receiver.requests == []
    assert Attempt.objects.get().outcome == "blocked"
    engine.window._transport = engine.transport
    make.due_now()
    engine.run()
    assert receiver.wait(1)[0].headers["host"] == f"localhost:{receiver.port}"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/hang", "timeout while waiting for the answer"),
        ("/drip", "timeout before the answer was complete"),
    ],
)
def test_the_total_deadline_ends_a_silent_or_dripping_answer(
    engine: Engine, receiver: Receiver, path: str, error: str
) -> None:
    make.owed(make.subscription(receiver.url(path), timeout=0.3))
    engine.run()
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.error) == ("timed_out", error)
    assert 290 <= attempt.total_ms < 1_000


def test_a_slow_endpoint_does_not_hold_up_the_others(engine: Engine, receiver: Receiver) -> None:
    slow = make.subscription(receiver.url("/hold"), types=["slow"], max_concurrency=5)
    make.subscription(receiver.url("/ok"), types=["fast"], max_concurrency=5)
    for _ in range(5):
        make.published(make.event(type="slow"))
    for _ in range(100):
        make.published(make.event(type="fast"))
    running = threading.Thread(target=engine.run)
    running.start()
    receiver.wait(100, path="/ok")
    assert OwedDelivery.objects.filter(subscription=slow.id, state="in_flight").count() == 5
    receiver.release()
    running.join()
    assert OwedDelivery.objects.count() == 0


def test_a_lane_never_has_more_sends_than_its_cap_with_two_windows(
    engine: Engine, second: Engine, receiver: Receiver
) -> None:
    to = make.subscription(receiver.url("/slow/0.01"), max_concurrency=3)
    make.backlog(to, 60)
    both = [threading.Thread(target=one.run) for one in (engine, second)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(receiver.requests) == 60
    assert receiver.most_at_once == 3
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 60


@pytest.fixture
def second(transactional_db: None) -> Iterator[Engine]:
    """Another worker's window."""
    found = Engine(worker="two")
    yield found
    found.close()


def test_the_window_is_never_wider_than_its_size(receiver: Receiver) -> None:
    engine = Engine(size=4)
    try:
        for _ in range(3):
            make.subscription(receiver.url("/slow/0.1"), max_concurrency=10)
        for _ in range(10):
            make.published(make.event())
        assert engine.run() == 30
    finally:
        engine.close()
    assert receiver.most_at_once == 4


def test_what_is_claimed_is_finished_before_a_stop(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/hold"), max_concurrency=2)
    make.backlog(to, 5)
    stopping, heard = threading.Event(), threading.Event()

    def stop() -> bool:
        if stopping.is_set():
            heard.set()
        return stopping.is_set()

    running = threading.Thread(target=lambda: engine.run(stopping=stop))
    running.start()
    receiver.wait(2)
    stopping.set()
    assert heard.wait(10)
    receiver.release()
    running.join()
    assert len(receiver.requests) == 2
    assert OwedDelivery.objects.filter(state="pending", attempts=0).count() == 3
    assert Attempt.objects.count() == 2


def test_a_breaker_opens_parks_probes_and_ramps_through_real_sends(
    engine: Engine, receiver: Receiver
) -> None:
    to = make.subscription(
        receiver.url("/then" + "/500" * 6 + "/200"), schedule=[60.0] * 9, max_concurrency=1
    )
    make.backlog(to, 20)
    engine.run()
    assert Lane.objects.get().state == "open"
    assert len(receiver.requests) == 5
    make.due_now()
    assert engine.run() == 0
    # The probe fails: one send, open again for longer.
    Lane.objects.update(retry_at=timezone.now())
    engine.run()
    lane = Lane.objects.get()
    assert (lane.state, lane.opened_times, len(receiver.requests)) == ("open", 2, 6)
    # The next one succeeds: the lane closes, ramps up and drains.
    make.due_now()
    Lane.objects.update(retry_at=timezone.now())
    engine.run()
    lane = Lane.objects.get()
    assert (lane.state, lane.ramp, lane.opened_times) == ("closed", None, 0)
    assert OwedDelivery.objects.count() == 0
    assert len(receiver.requests) == 26


def test_a_parked_lane_spends_no_attempt(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url())
    make.owed(to)
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    before = OwedDelivery.objects.values().get()
    assert engine.run() == 0
    assert OwedDelivery.objects.values().get() == before


def test_keys_arrive_in_order_though_some_are_retried(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(
        receiver.url("/then/500/200"), ordered=True, schedule=[60.0] * 9, max_concurrency=10
    )
    for number in range(5):
        for key in ("a", "b"):
            make.owed(to, ordering_key=key, data=f"{key}{number}".encode())
    while OwedDelivery.objects.exists():
        engine.run()
        make.due_now()
    for key in (b"a", b"b"):
        arrived = [r.body for r in receiver.requests if r.body.startswith(key)]
        firsts = list(dict.fromkeys(arrived))
        assert firsts == [key + str(n).encode() for n in range(5)]
        # A successor never starts before the last try of its predecessor.
        assert arrived == sorted(arrived)


def test_a_changed_endpoint_is_used_by_the_next_send(engine: Engine, receiver: Receiver) -> None:
    to = make.subscription(receiver.url("/status/500"))
    make.owed(to)
    engine.run()
    operate.change_subscription(
        actor=make.ACTOR, subscription=to.id, fields={"url": receiver.url("/ok")}
    )
    make.due_now()
    engine.run()
    assert [request.target for request in receiver.requests] == ["/status/500", "/ok"]


def test_a_subscription_whose_secret_is_unreadable_harms_only_itself(
    engine: Engine, receiver: Receiver
) -> None:
    broken, healthy = make.subscription(receiver.url("/a")), make.subscription(receiver.url("/ok"))
    Secret.objects.filter(subscription=broken).update(encrypted="not a token")
    for _ in range(5):
        make.published(make.event())
    engine.run(seconds=2)
    assert len(receiver.wait(5, path="/ok")) == 5
    assert receiver.of("/a") == []
    assert OwedDelivery.objects.filter(subscription=healthy.id).count() == 0


def test_a_delivery_that_cannot_be_wrapped_harms_only_itself(
    engine: Engine, receiver: Receiver
) -> None:
    """Its headers cannot be sent; three strikes and it is out, the others arrive."""
    broken = make.subscription(receiver.url("/a"))
    make.subscription(receiver.url("/ok"))
    Subscription.objects.filter(id=broken.id).update(headers={"x": encrypt("line\nbreak")})
    make.published(make.event())
    for _ in range(4):
        engine.run(seconds=2)
        make.due_now()
    assert len(receiver.of("/ok")) == 1
    assert DeadLetter.objects.get().reason.startswith("poison")


def test_an_event_that_is_gone_makes_its_delivery_poison(engine: Engine) -> None:
    make.owed(make.subscription())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE events_owed SET event_id = gen_random_uuid()")
    for _ in range(4):
        engine.run(seconds=2)
        make.due_now()
    letter = DeadLetter.objects.get()
    assert letter.reason == "poison: its event is gone"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM events_finished")
        cursor.execute("DELETE FROM events_ledgerentry")
        cursor.execute("DELETE FROM events_event")
        cursor.execute("DELETE FROM dlq_deadletter")
        cursor.execute("DELETE FROM dlq_signature")


def test_a_window_whose_session_is_killed_ends_and_the_next_one_goes_on(
    engine: Engine, receiver: Receiver
) -> None:
    to = make.subscription(receiver.url("/hold"), max_concurrency=3)
    make.backlog(to, 6)
    running = threading.Thread(target=engine.run)
    running.start()
    receiver.wait(3)
    kill_other_sessions()
    receiver.release()
    running.join()
    # Its own two threads each find out once that their connection is dead.
    for _ in range(2):
        engine.run()
    assert OwedDelivery.objects.count() == 0
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 6
    assert len(receiver.requests) == 6
    connection.close_pool()


def test_a_send_that_waited_two_seconds_since_its_claim_is_given_back(
    engine: Engine, receiver: Receiver
) -> None:
    delivery = make.owed(make.subscription(receiver.url("/ok")))
    [claimed] = make.claims()
    engine.window._destinations.learn({(claimed.subscription, claimed.version)})
    engine.runner.run(engine.window._send(claimed, time.monotonic() - FRESH - 0.1))
    row = make.delivery(delivery)
    assert (row.state, row.attempts) == ("pending", 0)
    assert receiver.requests == []
    engine.run()
    assert make.delivery(delivery).state == "delivered"


def test_sends_that_hang_give_their_places_to_others(receiver: Receiver) -> None:
    engine = Engine(size=2)
    try:
        hanging = make.backlog(make.subscription(receiver.url("/hold"), timeout=10.0), 2)
        running = threading.Thread(target=engine.run)
        running.start()
        receiver.wait(2)
        good = make.owed(make.subscription(receiver.url("/ok")))
        receiver.wait(3)
        assert make.delivery(hanging[0]).state == "in_flight"
        receiver.release()
        running.join()
        assert make.delivery(good).state == "delivered"
    finally:
        engine.close()
