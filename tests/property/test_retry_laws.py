from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import example, given
from hypothesis import strategies as st

from events.rules.retry import MAX_STEPS, check_schedule, next_due, parse_retry_after

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
DAY = timedelta(hours=24)
SCHEDULES = st.lists(st.floats(0.1, 7 * 86_400), max_size=MAX_STEPS).map(tuple)
JITTER = st.floats(0, 1, exclude_max=True)
LATER = st.integers(60, 10**10).map(lambda seconds: NOW + timedelta(seconds=seconds))
MOMENTS = st.none() | LATER | st.just(NOW - timedelta(days=1))

# Near misses of an HTTP-date, which find more holes in a parser than plain noise does.
PARTS = st.sampled_from(
    ["Tue,", "03", "Feb", "2026", "04:07:06", "GMT", "+9999", "-0000", ":", ",", "-", "99", "\x00"]
)
HEADERS = st.text(max_size=80) | st.lists(PARTS, max_size=10).map(" ".join)


@given(SCHEDULES)
def test_a_schedule_of_good_steps_is_good(schedule: tuple[float, ...]) -> None:
    assert check_schedule(schedule) is None


@given(SCHEDULES, st.integers(1, 40), JITTER, MOMENTS)
def test_a_retry_is_due_exactly_while_the_schedule_lasts(
    schedule: tuple[float, ...], attempts: int, jitter: float, asked: datetime | None
) -> None:
    due = next_due(schedule, attempts=attempts, now=NOW, jitter=jitter, retry_after=asked)
    assert (due is None) == (attempts > len(schedule))


@given(SCHEDULES.filter(len), JITTER, MOMENTS)
def test_a_retry_stays_within_a_fifth_of_its_step_or_is_put_off_by_a_day_at_most(
    schedule: tuple[float, ...], jitter: float, asked: datetime | None
) -> None:
    due = next_due(schedule, attempts=len(schedule), now=NOW, jitter=jitter, retry_after=asked)
    assert due is not None
    earliest = NOW + timedelta(seconds=schedule[-1] * 0.8)
    latest = NOW + timedelta(seconds=schedule[-1] * 1.2)
    assert earliest <= due <= (latest if asked is None else max(latest, NOW + DAY))
    assert asked is None or due >= min(asked, NOW + DAY)


@given(HEADERS)
@example("Mon, 01 Jan 0000 00:00:00 GMT")
@example("1 Jan 99999999999999999999 00:00:00")
def test_no_retry_after_can_break_the_parser_or_name_the_past(value: str) -> None:
    at = parse_retry_after(value, NOW)
    assert at is None or (at > NOW and at.utcoffset() == timedelta(0))


@given(LATER)
def test_a_future_http_date_is_read_to_the_second(at: datetime) -> None:
    assert parse_retry_after(format_datetime(at, usegmt=True), NOW) == at


@given(st.integers(1, 86_400))
def test_seconds_up_to_a_day_are_read_as_they_are(seconds: int) -> None:
    assert parse_retry_after(str(seconds), NOW) == NOW + timedelta(seconds=seconds)
