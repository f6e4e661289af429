from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from events.rules.ids import Prefix, decode, encode, span, time_of, uuid7

RANDOM = st.binary(min_size=10, max_size=10)
MILLISECONDS = st.integers(0, 253_402_300_799_999)
PREFIXES = st.sampled_from(Prefix)


@given(MILLISECONDS, RANDOM)
def test_a_uuid7_has_its_version_its_variant_and_its_time(ms: int, random: bytes) -> None:
    identifier = uuid7(ms, random)
    assert identifier.version == 7
    assert identifier.variant == RFC_4122
    assert time_of(identifier) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


@given(MILLISECONDS, RANDOM, RANDOM)
def test_74_random_bits_survive(ms: int, first: bytes, second: bytes) -> None:
    kept = (0xFFF << 64) | ((1 << 62) - 1)
    same = (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")) & kept == 0
    assert (uuid7(ms, first) == uuid7(ms, second)) == same


@given(MILLISECONDS, MILLISECONDS, RANDOM, RANDOM)
def test_ids_and_their_public_forms_sort_by_time(
    a: int, b: int, first: bytes, second: bytes
) -> None:
    x, y = uuid7(a, first), uuid7(b, second)
    if a < b:
        assert x < y
    assert (x < y) == (encode(Prefix.EVENT, x) < encode(Prefix.EVENT, y))


@given(PREFIXES, st.uuids())
def test_a_public_id_is_read_back_by_its_own_kind_only(prefix: Prefix, identifier: UUID) -> None:
    text = encode(prefix, identifier)
    assert decode(prefix, text) == identifier
    assert decode(prefix, text.lower()) == identifier
    assert all(decode(other, text) is None for other in Prefix if other is not prefix)


@given(PREFIXES, st.text(max_size=40) | st.from_regex(r"evt_[0-9a-zA-Z]{25,27}", fullmatch=True))
def test_whatever_is_read_is_the_one_spelling_of_its_id(prefix: Prefix, text: str) -> None:
    identifier = decode(prefix, text)
    assert identifier is None or encode(prefix, identifier).upper() == text.upper()


@given(st.dates(date(1970, 1, 1), date.max), st.integers(0, 86_399_999), RANDOM)
def test_a_days_span_holds_every_id_of_that_day_and_no_other(
    day: date, into_the_day: int, random: bytes
) -> None:
    low, high = span(day)
    start = low.int >> 80
    assert low <= uuid7(start + into_the_day, random) < high
    assert uuid7(start + 86_400_000, random) >= high
    if start:
        assert uuid7(start - 1, random) < low
