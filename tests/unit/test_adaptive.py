from __future__ import annotations

import pytest

from events.rules.adaptive import Limit, adapt


def after(
    limit: Limit, *, batches: int = 1, failed: bool = False, median_ms: float = 50.0
) -> Limit:
    for _ in range(batches):
        limit = adapt(limit, cap=30, failed=failed, median_ms=median_ms)
    return limit


def test_each_good_batch_makes_room_for_one_more_up_to_the_cap() -> None:
    assert after(Limit(10)).value == 11
    assert after(Limit(10), batches=100).value == 30


def test_the_first_answer_is_taken_as_usual() -> None:
    assert after(Limit(10), median_ms=900.0) == Limit(11, 900.0)


def test_a_failure_takes_a_third_and_is_not_learnt() -> None:
    assert after(Limit(12, 50.0), failed=True, median_ms=15_000.0) == Limit(8, 50.0)


def test_answers_twice_as_slow_as_usual_take_a_third() -> None:
    assert after(Limit(12, 50.0), median_ms=100.0).value == 13
    assert after(Limit(12, 50.0), median_ms=101.0).value == 8


def test_a_few_milliseconds_more_say_nothing() -> None:
    assert after(Limit(12, 1.0), median_ms=6.0).value == 13
    assert after(Limit(12, 1.0), median_ms=6.1).value == 8


@pytest.mark.parametrize("slower", [120.0, 500.0, 60_000.0])
def test_an_endpoint_that_stays_slower_gets_its_full_width_back(slower: float) -> None:
    held = after(Limit(30, 50.0), batches=3, median_ms=slower)
    assert held.value < 30
    assert after(held, batches=100, median_ms=slower).value == 30


def test_a_cap_that_was_lowered_holds_at_once() -> None:
    assert after(Limit(200, 50.0)).value == 30
    assert after(Limit(200, 50.0), failed=True).value == 30
