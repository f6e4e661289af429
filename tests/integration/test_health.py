"""The health life cycle of a subscription: failing, given up, probed, back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from events import operate
from events.engine.health import (
    GIVEN_UP,
    bring_back,
    disable_failing,
    probe_what_rests,
    resume_what_is_due,
)
from events.engine.record import record
from events.models import AuditEntry, Lane, OwedDelivery, Subscription
from events.models.subscription import REDRIVE
from events.probe import TEST_TYPE
from events.rules.outcome import Responded
from tests import make

pytestmark = pytest.mark.usefixtures("lawful")


def ago(**time: float) -> object:
    return timezone.now() - timedelta(**time)


def failing(**fields: object) -> Subscription:
    """One whose breaker has been open for six days, with a try that failed just now."""
    to = make.subscription(max_concurrency=5, **fields)
    make.backlog(to, 6)
    make.recorded(Responded(500), schedule=[60.0])
    Lane.objects.filter(pk=to.id).update(opened_at=ago(days=6))
    Subscription.objects.filter(id=to.id).update(state_since=ago(days=9))
    return to


def given_up(to: Subscription) -> Subscription:
    operate.disable(actor=REDRIVE, subscription=to.id, reason=GIVEN_UP)
    return to


def state_of(to: Subscription) -> str:
    return Subscription.objects.get(id=to.id).state


def probes() -> int:
    return OwedDelivery.objects.filter(event_type=TEST_TYPE).count()


def test_an_endpoint_that_failed_for_five_days_and_just_now_is_given_up() -> None:
    to = failing()
    assert disable_failing() == 1
    row = Subscription.objects.get()
    assert (row.state, row.state_by, row.state_reason) == ("disabled", REDRIVE, GIVEN_UP)
    assert AuditEntry.objects.filter(action="disable", target=to.public_id).count() == 1
    assert OwedDelivery.objects.count() == 6
    assert disable_failing() == 0


def test_an_endpoint_that_has_not_failed_for_five_days_yet_is_tried_on() -> None:
    failing()
    Lane.objects.update(opened_at=ago(days=4))
    assert disable_failing() == 0


def test_a_breaker_that_a_person_opened_on_a_quiet_lane_is_no_failure() -> None:
    to = make.subscription()
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    Lane.objects.update(opened_at=ago(days=6))
    Subscription.objects.update(state_since=ago(days=9))
    assert disable_failing() == 0


def test_a_lane_that_was_not_tried_for_days_is_not_given_up_untried() -> None:
    failing()
    Lane.objects.update(failed_at=ago(days=2))
    assert disable_failing() == 0


def test_the_five_days_begin_anew_after_a_pause() -> None:
    to = failing()
    operate.pause(actor=make.ACTOR, subscription=to.id)
    operate.resume(actor=make.ACTOR, subscription=to.id)
    assert disable_failing() == 0


def test_one_that_was_given_up_is_probed_once_a_day_from_the_next_day_on() -> None:
    given_up(failing())
    assert probe_what_rests() == probes() == 0
    Subscription.objects.update(state_since=ago(hours=25))
    assert probe_what_rests() == probes() == 1
    assert probe_what_rests() == 0
    Subscription.objects.update(probed_at=ago(hours=25))
    assert probe_what_rests() == 1


def test_one_that_is_given_up_again_is_probed_a_day_after_that() -> None:
    to = given_up(failing())
    Subscription.objects.update(state_since=ago(days=3), probed_at=ago(hours=25))
    operate.enable(actor=make.ACTOR, subscription=to.id)
    given_up(to)
    assert probe_what_rests() == 0


def test_what_a_person_disabled_or_paused_is_not_probed() -> None:
    operate.disable(actor=make.ACTOR, subscription=make.subscription().id, reason="x")
    operate.pause(actor=make.ACTOR, subscription=make.subscription().id)
    Subscription.objects.update(state_since=ago(days=3))
    assert probe_what_rests() == 0


def test_a_parked_lane_with_nothing_to_try_it_is_probed_after_a_day() -> None:
    to = make.subscription()
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    Lane.objects.update(retry_at=ago(hours=23))
    assert probe_what_rests() == 0
    Lane.objects.update(retry_at=ago(hours=25))
    assert probe_what_rests() == 1
    assert probe_what_rests() == 0
    Lane.objects.update(state="half_open", retry_at=None, probe_until=ago(hours=25))
    Subscription.objects.update(probed_at=ago(hours=25))
    assert probe_what_rests() == 1


def test_a_test_that_arrives_enables_what_was_given_up() -> None:
    to = given_up(failing())
    bring_back(to.id)
    assert state_of(to) == "active"
    assert (Lane.objects.get().state, Lane.objects.get().ramp) == ("closed", 1)
    assert AuditEntry.objects.filter(action="enable", actor=REDRIVE).count() == 1


def test_what_waited_for_an_endpoint_that_was_gone_ramps_up() -> None:
    to = make.subscription(max_concurrency=5)
    make.owed(to)
    make.recorded(Responded(410))
    make.backlog(to, 5)
    assert Lane.objects.get().state == "closed"
    operate.enable(actor=make.ACTOR, subscription=to.id)
    assert len(make.claims()) == 1


def test_a_test_that_arrives_leaves_what_a_person_disabled_or_paused() -> None:
    disabled, paused = make.subscription(), make.subscription()
    operate.disable(actor=make.ACTOR, subscription=disabled.id, reason="contract ended")
    operate.pause(actor=make.ACTOR, subscription=paused.id)
    for to in (disabled, paused):
        bring_back(to.id)
    assert (state_of(disabled), state_of(paused)) == ("disabled", "paused")


def test_a_test_that_arrives_closes_a_breaker_whose_time_is_over_and_no_other() -> None:
    to = make.subscription()
    operate.open_breaker(actor=make.ACTOR, subscription=to.id, seconds=60)
    bring_back(to.id)
    assert Lane.objects.get().state == "open"
    Lane.objects.update(retry_at=ago(seconds=1))
    bring_back(to.id)
    assert (Lane.objects.get().state, Lane.objects.get().ramp) == ("closed", 1)


def test_another_url_enables_what_was_given_up_and_says_so() -> None:
    to = given_up(failing())
    operate.change_subscription(
        actor=make.ACTOR, subscription=to.id, fields={"url": "http://127.0.0.1:9/new"}
    )
    row = Subscription.objects.get()
    assert (row.state, row.state_by) == ("active", make.ACTOR)
    assert Lane.objects.get().state == "closed"
    entry = AuditEntry.objects.get(action="change")
    assert (entry.before["state"], entry.after["state"]) == ("disabled", "active")
    assert entry.after["reason"] == "its URL was changed"


def test_another_url_does_not_enable_what_a_person_disabled() -> None:
    to = make.subscription()
    operate.disable(actor=make.ACTOR, subscription=to.id, reason="contract ended")
    operate.change_subscription(
        actor=make.ACTOR, subscription=to.id, fields={"url": "http://127.0.0.1:9/new"}
    )
    assert state_of(to) == "disabled"


def test_the_same_url_or_another_name_enables_nothing() -> None:
    to = given_up(failing())
    operate.change_subscription(
        actor=make.ACTOR, subscription=to.id, fields={"url": to.url, "name": "new"}
    )
    assert state_of(to) == "disabled"


def test_a_410_disables_a_paused_subscription_too_and_is_audited() -> None:
    to = make.subscription()
    make.owed(to)
    [one] = make.claims()
    until = timezone.now() + timedelta(hours=1)
    operate.pause(actor=make.ACTOR, subscription=to.id, until=until)
    Subscription.objects.update(probed_at=ago(days=9))
    record([make.result(one, Responded(410))], worker="w")
    row = Subscription.objects.get()
    assert (row.state, row.resume_at, row.probed_at) == ("disabled", None, None)
    entry = AuditEntry.objects.get(action="disable")
    assert (entry.actor, entry.before["state"], entry.after["state"]) == (
        REDRIVE,
        "paused",
        "disabled",
    )


def test_a_410_after_the_deletion_of_its_subscription_is_recorded_all_the_same() -> None:
    to = make.subscription()
    make.owed(to)
    [one] = make.claims()
    Subscription.objects.update(deleted_at=timezone.now())
    record([make.result(one, Responded(410))], worker="w")
    assert make.delivery(one.delivery).state == "dead"
    assert state_of(to) == "active"


def test_two_410s_disable_once() -> None:
    to = make.subscription()
    make.backlog(to, 2)
    for one in make.claims():
        record([make.result(one, Responded(410))], worker="w")
    assert AuditEntry.objects.filter(action="disable", target=to.public_id).count() == 1


def test_a_pause_ends_when_its_time_is_over() -> None:
    due, later, endless = (make.subscription() for _ in range(3))
    hour = timedelta(hours=1)
    operate.pause(actor=make.ACTOR, subscription=due.id, until=timezone.now() - hour)
    operate.pause(actor=make.ACTOR, subscription=later.id, until=timezone.now() + hour)
    operate.pause(actor=make.ACTOR, subscription=endless.id)
    assert resume_what_is_due() == 1
    assert [state_of(one) for one in (due, later, endless)] == ["active", "paused", "paused"]
    assert AuditEntry.objects.get(action="resume").actor == REDRIVE


@pytest.mark.parametrize("act", ["extend", "disable", "delete"])
def test_who_acts_on_a_pause_just_before_it_ends_is_not_overridden(act: str) -> None:
    """The person's act comes between the look at what is due and the turn of that one."""
    first, second = (make.subscription() for _ in range(2))
    for one in (first, second):
        operate.pause(actor=make.ACTOR, subscription=one.id, until=ago(seconds=1))
    due = Subscription.objects.due_to_resume()
    assert due.count() == 2
    match act:
        case "extend":
            until = timezone.now() + timedelta(hours=1)
            operate.pause(actor=make.ACTOR, subscription=first.id, until=until)
        case "disable":
            operate.disable(actor=make.ACTOR, subscription=first.id, reason="x")
        case _:
            operate.delete_subscription(actor=make.ACTOR, subscription=first.id)
    with pytest.raises(Subscription.DoesNotExist):
        operate.resume(actor=REDRIVE, subscription=first.id, among=due)
    assert resume_what_is_due() == 1
    assert state_of(second) == "active"
