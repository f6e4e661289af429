"""Words: one rule for what is indexed and what is asked, whatever the text."""

from __future__ import annotations

import pytest

from events.rules import words


def indexed(*shown: str, hidden: str = "", tenant: str | None = None) -> set[str]:
    return set(words.lexemes(shown=shown, hidden=[hidden], tenant=tenant).split())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("order.paid", {"order", "paid"}),
        ("ord-1001", {"ord", "1001"}),
        ("ord_1001", {"ord", "1001"}),
        ("0e37df36-f698", {"0e37df36", "f698"}),
        ("https://shop.example/A?b=C", {"https", "shop", "example", "a", "b", "c"}),
        ("STRASSE straße", {"strasse"}),
        ("cafe\u0301 café", {"café"}),
        ("", set()),
        ("'; \\ : * & | ! ( ) @ =", set()),
    ],
)
def test_words_are_letters_and_digits_in_one_form(text: str, found: set[str]) -> None:
    assert indexed(text) == found


def test_what_not_everybody_may_see_is_marked_and_so_is_the_tenant() -> None:
    found = indexed("order", hidden="card 4111", tenant="acme")
    assert {"order", "=card", "=4111"} < found
    assert len([word for word in found if word.startswith("@")]) == 1


def test_a_long_word_is_cut_and_very_many_are_left_out() -> None:
    assert indexed("x" * 100) == {"x" * words.WORD_MAX}
    many = " ".join(str(n) for n in range(10_000))
    assert len(indexed("a", hidden=many)) == words.WORDS_MAX


def test_a_question_is_made_of_words_alone() -> None:
    asked = words.question("O'Brien | !(x):* \\", hidden=False, tenant=None)
    assert asked == "'o' & 'brien':* & 'x'"
    assert words.question("Paid", hidden=True, tenant=None) == "('paid':* | '=paid':*)"
    assert words.question(" -- ", hidden=True, tenant="acme") is None
    assert words.question(" ".join("abcdefghijk"), hidden=False, tenant=None).count("&") == 7


def test_a_tenants_question_cannot_be_written_by_another() -> None:
    mine = words.question("a", hidden=True, tenant="acme")
    mark = mine.rpartition("'@")[2].strip("'")
    assert "@" not in words.question(f"@{mark} a", hidden=True, tenant=None)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (rb'{"n\u0061me":"Jos\u00e9\nlast"}', '{"name":"José last"}'),
        (b'"\\ud83d\\ude00"', '"\U0001f600"'),
        (rb'"\ud83d"', '"\ufffd"'),
        (rb'"cut \u00', '"cut  00'.replace("  ", "  ")),
        ("é".encode() * 10_000, "é" * 8_192),
        (b"x" + "é".encode() * 10_000, "x" + "é" * 8_191),
        (b"\x89PNG\xff", ""),
        (b"", ""),
    ],
)
def test_data_is_read_without_its_escapes_and_not_to_its_end(data: bytes, text: str) -> None:
    assert words.text_of(data, json=True) == text


def test_a_backslash_in_plain_text_is_one() -> None:
    assert words.text_of(rb"C:\u0041", json=False) == r"C:\u0041"
