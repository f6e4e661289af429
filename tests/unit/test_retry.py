from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from events.rules.retry import DEFAULT_SCHEDULE, check_schedule, next_due, parse_retry_after

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def seconds(count: float) -> datetime:
    return NOW + timedelta(seconds=count)


def test_the_default_schedule_is_nine_attempts_over_eighteen_hours() -> None:
    assert check_schedule(DEFAULT_SCHEDULE) is None
    assert list(DEFAULT_SCHEDULE) == [5, 30, 120, 600, 1800, 7200, 18_000, 36_000]
    assert 17 * 3600 < sum(DEFAULT_SCHEDULE) < 18 * 3600


@pytest.mark.parametrize("values", [(), (0.1,), (604_800,), (1,) * 30, (30, 5)])
def test_a_schedule_in_bounds_is_good(values: tuple[float, ...]) -> None:
    assert check_schedule(values) is None


@pytest.mark.parametrize("bad", [0, 0.09, -1, 604_800.1, float("nan"), float("inf"), float("-inf")])
def test_a_step_out_of_bounds_is_named(bad: float) -> None:
    assert check_schedule((1, bad)) == "Step 2 must be between 0.1 seconds and 7 days."


def test_a_schedule_of_31_steps_is_too_long() -> None:
    assert check_schedule((1,) * 31) == "A schedule has at most 30 steps, and this one has 31."


def test_the_wait_grows_along_the_schedule() -> None:
    schedule = (5, 30, 120)
    due = [next_due(schedule, attempts=n, now=NOW, jitter=0.5) for n in (1, 2, 3)]
    assert due == [seconds(5), seconds(30), seconds(120)]


def test_eight_steps_make_nine_attempts() -> None:
    assert next_due(DEFAULT_SCHEDULE, attempts=8, now=NOW, jitter=0) is not None
    assert next_due(DEFAULT_SCHEDULE, attempts=9, now=NOW, jitter=0) is None


def test_an_empty_schedule_never_retries_even_if_asked_to_wait() -> None:
    assert next_due((), attempts=1, now=NOW, jitter=0.5, retry_after=seconds(9)) is None


def test_jitter_spreads_a_step_by_a_fifth_each_way() -> None:
    assert next_due((100,), attempts=1, now=NOW, jitter=0) == seconds(80)
    assert next_due((100,), attempts=1, now=NOW, jitter=0.75) == seconds(110)


def test_retry_after_puts_the_retry_off() -> None:
    at = next_due((5,), attempts=1, now=NOW, jitter=0.5, retry_after=seconds(60))
    assert at == seconds(60)


def test_retry_after_never_hurries_the_retry() -> None:
    at = next_due((300,), attempts=1, now=NOW, jitter=0.5, retry_after=seconds(60))
    assert at == seconds(300)


def test_retry_after_is_heard_for_a_day_at_most() -> None:
    at = next_due((5,), attempts=1, now=NOW, jitter=0.5, retry_after=seconds(7 * 86_400))
    assert at == NOW + timedelta(hours=24)


def test_a_step_longer_than_a_day_outlasts_the_limit_on_retry_after() -> None:
    week = 7 * 86_400
    at = next_due((week,), attempts=1, now=NOW, jitter=0.5, retry_after=seconds(30 * 86_400))
    assert at == seconds(week)


@pytest.mark.parametrize("value", ["120", " 120 ", "00120", "0" * 5000 + "120"])
def test_retry_after_may_be_seconds(value: str) -> None:
    assert parse_retry_after(value, NOW) == seconds(120)


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 03 Feb 2026 04:07:06 GMT",
        "Tuesday, 03-Feb-26 04:07:06 GMT",
        "Tue Feb  3 04:07:06 2026",
        "Tue, 03 Feb 2026 05:07:06 +0100",
    ],
)
def test_retry_after_may_be_any_form_of_http_date(value: str) -> None:
    at = parse_retry_after(value, NOW)
    assert at == seconds(120)
    assert at is not None
    assert at.tzinfo is UTC


@pytest.mark.parametrize("digits", [9, 10, 11, 4300, 4301, 100_000])
def test_an_absurd_number_of_seconds_means_a_day(digits: int) -> None:
    assert parse_retry_after("9" * digits, NOW) == NOW + timedelta(hours=24)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "   ",
        "0",
        "000",
        "-5",
        "+5",
        "1.5",
        "soon",
        "١٢٠",
        "²",
        "1e3",
        "Tue, 03 Feb 2026 04:05:06 GMT",
        "Tue, 03 Feb 2015 04:07:06 GMT",
        "Tue, 99 Feb 2026 04:07:06 GMT",
        "Tue, 03 Feb 2026 04:07:06 +9999999999",
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Tue, 03 Feb 2026 04:07:06 GMT" + " " * 50 + "x",
        "\x00",
    ],
)
def test_a_past_or_junk_retry_after_is_no_retry_after(value: str | None) -> None:
    assert parse_retry_after(value, NOW) is None
