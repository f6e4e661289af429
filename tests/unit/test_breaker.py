from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from events.rules.breaker import (
    Answer,
    Breaker,
    BreakerPolicy,
    Tally,
    advance,
    force_close,
    force_open,
    heard,
    open_seconds,
    probe_due,
    tally,
)
from events.rules.outcome import Fault
from events.rules.states import BreakerState

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
POLICY = BreakerPolicy()
CAP = 10


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def after(breaker: Breaker, *batches: Tally, seconds: float = 0) -> Breaker:
    for batch in batches:
        breaker = advance(breaker, batch, now=at(seconds), policy=POLICY, cap=CAP)
    return breaker


def failed(count: int) -> Tally:
    return Tally(failures=count, trailing_failures=count)


def succeeded(count: int = 1) -> Tally:
    return Tally(successes=count)


def opened() -> Breaker:
    return after(Breaker(), failed(5))


def probing(breaker: Breaker, *, seconds: float = 30) -> Breaker:
    """As the claim of its probe leaves it."""
    until = at(seconds + 20)
    return replace(breaker, state=BreakerState.HALF_OPEN, retry_at=None, probe_until=until)


def test_a_new_breaker_is_closed_and_needs_no_probe() -> None:
    assert Breaker().state is BreakerState.CLOSED
    assert not probe_due(Breaker(), NOW)


def test_five_failures_in_a_row_open_it_for_thirty_seconds() -> None:
    breaker = opened()
    assert breaker.state is BreakerState.OPEN
    assert (breaker.opened_at, breaker.retry_at, breaker.opened_times) == (NOW, at(30), 1)
    assert not probe_due(breaker, at(29.9))
    assert probe_due(breaker, at(30))


def test_the_row_is_counted_across_batches() -> None:
    assert after(Breaker(), failed(4)).state is BreakerState.CLOSED
    assert after(Breaker(), failed(4), failed(1)).state is BreakerState.OPEN


def test_a_success_breaks_the_row() -> None:
    mixed = Tally(successes=1, failures=4, trailing_failures=0)
    assert after(Breaker(), failed(4), mixed).failures == 0
    trailing = Tally(successes=1, failures=4, trailing_failures=3)
    breaker = after(Breaker(), failed(4), trailing)
    assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 3)


def test_half_of_twenty_failing_opens_it() -> None:
    calm = Tally(successes=10, failures=9, trailing_failures=1)
    assert after(Breaker(), calm).state is BreakerState.CLOSED
    assert after(Breaker(), calm, failed(1)).state is BreakerState.OPEN


def test_half_of_nineteen_failing_is_too_few_to_tell() -> None:
    breaker = after(Breaker(), Tally(successes=9, failures=10, trailing_failures=1))
    assert breaker.state is BreakerState.CLOSED


def test_a_success_that_fills_the_window_does_not_open_it() -> None:
    breaker = after(Breaker(), Tally(successes=9, failures=10, trailing_failures=1), succeeded())
    assert breaker.state is BreakerState.CLOSED
    assert after(breaker, failed(1)).state is BreakerState.OPEN


@pytest.mark.parametrize(("seconds", "total"), [(59.9, 20), (60, 10), (-1, 10)])
def test_a_window_ends_after_a_minute_or_when_the_clock_is_put_back(
    seconds: float, total: int
) -> None:
    batch = Tally(successes=8, failures=2, trailing_failures=0)
    breaker = after(after(Breaker(), batch), batch, seconds=seconds)
    assert (breaker.window_total, breaker.window_failures) == (total, total // 5)


def test_results_of_sends_under_way_when_it_opened_change_nothing() -> None:
    breaker = opened()
    assert after(breaker, succeeded(3), failed(3), seconds=5) is breaker


def test_a_batch_of_our_own_faults_changes_nothing() -> None:
    for breaker in (Breaker(), opened(), probing(opened())):
        assert after(breaker, tally([Fault.OURS, Fault.OURS])) is breaker


def test_half_open_waits_for_its_probe_until_it_is_given_up() -> None:
    breaker = probing(opened())
    assert not probe_due(breaker, at(49.9))
    assert probe_due(breaker, at(50))


def test_what_was_sent_before_it_opened_decides_nothing_while_it_probes() -> None:
    breaker = probing(opened())
    late = [Answer(Fault.ENDPOINT), Answer(Fault.NONE), Answer(Fault.ENDPOINT)]
    assert heard(breaker, late) == []
    probe = Answer(Fault.NONE, probe=True, opened_times=1)
    assert heard(breaker, [*late, probe]) == [Fault.NONE]


def test_what_was_sent_before_it_opened_is_not_heard_on_the_ramp_either() -> None:
    ramping = after(probing(opened()), succeeded(), seconds=31)
    late = Answer(Fault.ENDPOINT)
    assert heard(ramping, [late] * 9) == []
    assert heard(ramping, [late, Answer(Fault.ENDPOINT, opened_times=1)]) == [Fault.ENDPOINT]


def test_nothing_is_heard_while_it_is_open_and_everything_while_it_is_well() -> None:
    answers = [Answer(Fault.ENDPOINT), Answer(Fault.NONE, probe=True, opened_times=1)]
    assert heard(opened(), answers) == []
    assert heard(Breaker(), answers) == [Fault.ENDPOINT, Fault.NONE]


def round_trips(breaker: Breaker, *, batch: int) -> list[int | None]:
    """The widths of the ramp, a round trip each, while all succeeds and is recorded in batches."""
    widths: list[int | None] = []
    while breaker.ramp is not None:
        widths.append(breaker.ramp)
        left = breaker.ramp
        while left > 0:
            breaker = advance(
                breaker, succeeded(min(batch, left)), now=at(31), policy=POLICY, cap=64
            )
            left -= batch
    return widths


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_ramp_doubles_a_round_trip_in_whatever_batches_results_come(batch: int) -> None:
    ramping = after(probing(opened()), succeeded(), seconds=31)
    assert round_trips(ramping, batch=batch) == [1, 2, 4, 8, 16, 32]


def test_at_the_end_of_its_ramp_its_openings_are_forgotten() -> None:
    breaker = after(probing(opened()), succeeded(), succeeded(9), seconds=31)
    assert (breaker.state, breaker.ramp, breaker.opened_times) == (BreakerState.CLOSED, None, 0)


@pytest.mark.parametrize("cap", [1, 2])
def test_a_narrow_lane_ramps_up_in_one_step(cap: int) -> None:
    breaker = after(probing(opened()), succeeded(), seconds=31)
    breaker = advance(breaker, succeeded(), now=at(31), policy=POLICY, cap=cap)
    assert breaker.ramp is None


def test_a_few_failures_slow_the_ramp_and_do_not_stop_it() -> None:
    breaker = replace(Breaker(), ramp=64, opened_times=3)
    for _ in range(20):
        batch = Tally(successes=63, failures=1, trailing_failures=0)
        breaker = advance(breaker, batch, now=at(0), policy=POLICY, cap=1_000)
    assert (breaker.ramp, breaker.opened_times) == (None, 0)


def test_as_many_failures_as_successes_hold_the_ramp_where_it_is() -> None:
    breaker = after(probing(opened()), succeeded(), succeeded(), seconds=31)
    mixed = Tally(successes=1, failures=1, trailing_failures=0)
    assert after(breaker, mixed, seconds=32).ramp == 2


def test_a_failed_probe_opens_it_for_twice_as_long_since_the_same_beginning() -> None:
    breaker = after(probing(opened()), failed(1), seconds=31)
    assert breaker.state is BreakerState.OPEN
    assert (breaker.opened_at, breaker.retry_at, breaker.opened_times) == (NOW, at(31 + 60), 2)
    assert breaker.probe_until is None


def test_a_relapse_on_the_ramp_goes_on_doubling_and_a_full_recovery_starts_anew() -> None:
    ramping = after(probing(opened()), succeeded(), seconds=31)
    relapsed = after(ramping, failed(5), seconds=32)
    assert (relapsed.opened_at, relapsed.retry_at) == (at(32), at(32 + 60))
    recovered = after(ramping, succeeded(CAP), seconds=32)
    assert after(recovered, failed(5), seconds=33).retry_at == at(33 + 30)


def test_the_openings_double_to_fifteen_minutes() -> None:
    times = [open_seconds(n, POLICY) for n in (1, 2, 3, 4, 5, 6, 7, 10**6)]
    assert times == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_person_can_hold_it_open_until_a_moment() -> None:
    breaker = force_open(Breaker(), NOW, at(7200))
    assert breaker.opened_times == 1
    assert not probe_due(breaker, at(7199))
    assert probe_due(breaker, at(7200))
    assert after(breaker, succeeded(9), seconds=1) is breaker


def test_a_person_who_holds_it_open_does_not_hide_when_it_opened() -> None:
    assert force_open(opened(), at(10), at(7200)).opened_at == NOW
    assert force_open(probing(opened()), at(40), at(7200)).probe_until is None


def test_a_person_can_close_it_and_the_lane_still_ramps_up() -> None:
    for breaker in (opened(), probing(opened())):
        assert force_close(breaker) == Breaker(ramp=1)


def test_closing_a_closed_one_forgets_its_failures_only() -> None:
    assert force_close(after(Breaker(), failed(4))) == Breaker()
    ramping = after(probing(opened()), succeeded(), succeeded(), seconds=31)
    assert force_close(ramping) == Breaker(ramp=2)


def test_a_tally_knows_what_came_after_the_last_success() -> None:
    faults = [Fault.ENDPOINT, Fault.NONE, Fault.ENDPOINT, Fault.OURS, Fault.ENDPOINT]
    assert tally(faults) == Tally(successes=1, failures=3, trailing_failures=2)
    assert tally([]) == Tally()


def test_an_endpoint_that_refuses_an_event_is_alive() -> None:
    assert tally([Fault.ENDPOINT, Fault.EVENT]) == Tally(successes=1, failures=1)
