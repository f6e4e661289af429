from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from events.rules.ids import Prefix, decode, encode, first_at, first_of, span, time_of, uuid7

LOWEST = UUID(int=0)
HIGHEST = UUID(int=2**128 - 1)


def test_a_uuid7_is_the_example_of_rfc_9562() -> None:
    # RFC 9562, A.6: rand_a is 0xCC3, rand_b is 0x18C4DC0C0C07398F.
    random = ((0xCC3 << 64) | 0x18C4DC0C0C07398F).to_bytes(10, "big")
    identifier = uuid7(0x017F22E279B0, random)
    assert identifier == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert time_of(identifier) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


@pytest.mark.parametrize("milliseconds", [-1, 2**48])
def test_a_uuid7_of_no_such_time_is_refused(milliseconds: int) -> None:
    with pytest.raises(ValueError, match="128-bit"):
        uuid7(milliseconds, bytes(10))


def test_a_public_id_is_its_prefix_and_26_characters() -> None:
    assert encode(Prefix.EVENT, LOWEST) == "evt_" + "0" * 26
    assert encode(Prefix.REPLAY, HIGHEST) == "rpl_7" + "Z" * 25
    known = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert encode(Prefix.DELIVERY, known) == "dlv_01FWHE4YDGFK1SHH6W1G60EECF"


def test_the_prefixes_are_those_of_the_contract() -> None:
    assert set(Prefix) == {"evt", "sub", "dlv", "att", "dlq", "rpl", "blk"}


def test_a_public_id_is_read_in_either_case() -> None:
    text = encode(Prefix.SUBSCRIPTION, HIGHEST)
    assert decode(Prefix.SUBSCRIPTION, text) == HIGHEST
    assert decode(Prefix.SUBSCRIPTION, text.lower()) == HIGHEST
    assert decode(Prefix.SUBSCRIPTION, text.upper()) == HIGHEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evt",
        "evt_",
        "dlv_" + "0" * 26,
        "evt_" + "0" * 25,
        "evt_" + "0" * 27,
        "evt_8" + "0" * 25,
        "evt_" + "0" * 25 + "I",
        "evt_" + "0" * 25 + "L",
        "evt_" + "0" * 25 + "O",
        "evt_" + "0" * 25 + "U",
        "evt_" + "0" * 25 + "\u017f",
        "evt_" + "0" * 25 + "٣",
        "evt-" + "0" * 26,
        " evt_" + "0" * 26,
        "evt_" + "0" * 26 + "\n",
        "evt_" + "0" * 25 + "\x00",
        "\ud800",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    assert decode(Prefix.EVENT, text) is None


def test_a_day_spans_from_its_first_id_to_the_next_days() -> None:
    low, high = span(date(2026, 2, 3))
    assert time_of(low) == datetime(2026, 2, 3, tzinfo=UTC)
    assert time_of(high) == datetime(2026, 2, 4, tzinfo=UTC)
    assert high == span(date(2026, 2, 4))[0]


def test_the_time_of_a_forged_id_is_clamped_to_what_a_datetime_can_hold() -> None:
    assert time_of(HIGHEST) == datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
    assert time_of(LOWEST) == datetime(1970, 1, 1, tzinfo=UTC)


def test_the_first_of_a_moment_is_the_lowest_of_its_millisecond() -> None:
    moment = datetime(2022, 2, 22, 19, 22, 22, 999, tzinfo=UTC)
    assert first_at(moment) == UUID("017F22E2-79B0-7000-8000-000000000000")
    assert first_at(moment + timedelta(microseconds=1)) == uuid7(0x017F22E279B1, bytes(10))
    assert first_at(datetime(1970, 1, 1, tzinfo=UTC)) == uuid7(0, bytes(10))


def test_what_was_made_before_1970_is_bounded_by_the_lowest_of_all() -> None:
    assert first_at(datetime(1969, 12, 31, tzinfo=UTC)) == uuid7(0, bytes(10))


def test_the_first_of_an_identifier_is_the_lowest_of_the_same_millisecond() -> None:
    known = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert first_of(known) == UUID("017F22E2-79B0-7000-8000-000000000000")
    assert first_of(first_of(known)) == first_of(known)
