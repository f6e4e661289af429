from __future__ import annotations

from datetime import UTC, datetime

import pytest

from events.rules.cloudevents import (
    check_attribute,
    check_attribute_name,
    check_extension,
    check_extension_name,
    check_text,
    parse_time,
)


@pytest.mark.parametrize("text", ["", "a b", "é €", "😀", "\u200d", "\ufffd"])
def test_text_may_hold_any_character_of_the_spec(text: str) -> None:
    assert check_text(text) is None


@pytest.mark.parametrize(
    "character",
    [
        *("\x00", "\t", "\n", "\x1f", "\x7f", "\x9f", "\ud800", "\udfff"),
        *("\ufdd0", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"),
    ],
)
def test_controls_lone_surrogates_and_noncharacters_are_named(character: str) -> None:
    wrong = check_text(f"a{character}b")
    assert wrong == f"The character U+{ord(character):04X} is not allowed."


@pytest.mark.parametrize("name", ["a", "traceparent", "0", "a" * 20, "id"])
def test_a_name_is_lower_case_letters_and_digits(name: str) -> None:
    assert check_attribute_name(name) is None


@pytest.mark.parametrize("name", ["", "A", "a_b", "a-b", "é", "a" * 21, "data", "a\n", "٣"])
def test_any_other_name_is_refused(name: str) -> None:
    assert check_attribute_name(name) is not None


@pytest.mark.parametrize("name", ["id", "time", "specversion", "data_base64", "data", "A"])
def test_an_extension_cannot_take_a_reserved_or_wrong_name(name: str) -> None:
    assert check_extension_name(name) is not None
    assert check_extension(name, "x") is not None


@pytest.mark.parametrize("value", ["", "x", True, False, 0, 2**31 - 1, -(2**31)])
def test_an_extension_is_text_a_boolean_or_32_bits(value: object) -> None:
    assert check_extension("rank", value) is None


@pytest.mark.parametrize("value", [None, 1.0, [], {}, b"x", 2**31, -(2**31) - 1, "\x00"])
def test_any_other_extension_is_refused(value: object) -> None:
    assert check_extension("rank", value) is not None


def test_an_attribute_of_the_spec_is_never_empty() -> None:
    for name in ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema"):
        assert check_attribute(name, "") == f"{name} must not be empty."


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-03T04:05:06Z", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03t04:05:06z", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06.5-01:30", datetime(2026, 2, 3, 5, 35, 6, 500_000, tzinfo=UTC)),
        ("2026-02-03T04:05:06.123456789Z", datetime(2026, 2, 3, 4, 5, 6, 123_456, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2026-02-03T04:05:06-00:00", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
    ],
)
def test_a_time_is_rfc_3339(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment
    assert check_attribute("time", text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-03",
        "2026-02-03T04:05Z",
        "2026-02-03T04:05:06",
        "2026-02-03 04:05:06Z",
        "2026-02-30T04:05:06Z",
        "2026-02-03T24:00:00Z",
        "2026-02-03T04:05:61Z",
        "2026-02-03T04:05:06+24:00",
        "2026-02-03T04:05:06.Z",
        "2026-W06-2T04:05:06Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "٢٠٢٦-02-03T04:05:06Z",
        "2026-02-03T04:05:06Z\n",
    ],
)
def test_anything_else_is_no_time(text: str) -> None:
    assert parse_time(text) is None
