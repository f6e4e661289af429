"""Type patterns: what they cover, what is refused, what they cost."""

from __future__ import annotations

from time import perf_counter

import pytest

from events.rules.patterns import MAX_LENGTH, PatternIndex, as_regex, check, matches

COVERED = [
    ("order.paid", "order.paid"),
    ("order.*", "order.paid"),
    ("order.*", "order."),
    ("order.*.eu", "order.paid.eu"),
    ("*.paid", "order.paid"),
    ("*", "order"),
    ("*", ""),
    ("*.*", "order.paid"),
    ("order.**", "order.paid"),
    ("order.**", "order.paid.eu.west"),
    ("order.*.**", "order.paid.eu"),
    ("*.**", "order.paid"),
    ("**", "order"),
    ("**", "order.paid.eu"),
    ("**", ""),
    ("com.*", "com.example/thing created"),
    ("com.example/thing", "com.example/thing"),
    ("*.**", "*.**"),
]

NOT_COVERED = [
    ("order.paid", "order.paid.eu"),
    ("order.paid", "order"),
    ("order.paid", "Order.paid"),
    ("order.paid", "order.paid."),
    ("order.*", "order"),
    ("order.*", "order.paid.eu"),
    ("order.*", "orders.paid"),
    ("order.*.eu", "order.eu"),
    ("*", "order.paid"),
    ("order.**", "order"),
    ("order.**", "orders.paid"),
    ("order.*.**", "order.paid"),
    ("*.**", "order"),
]

FINE = [
    "order.paid",
    "order.*",
    "order.**",
    "**",
    "*",
    "*.paid",
    "order.*.eu",
    "order.*.**",
    "order-line_2.paid",
    "com.example/thing",
    "größe.geändert",
    "a" * MAX_LENGTH,
]

REFUSED = [
    ("", "is empty"),
    ("a" * (MAX_LENGTH + 1), "The limit is 256"),
    ("order..paid", "between two dots"),
    (".paid", "between two dots"),
    ("order.", "between two dots"),
    (".", "between two dots"),
    ("ord*", "mixes * with text"),
    ("order.p*d", "mixes * with text"),
    ("order.***", "mixes * with text"),
    ("**.paid", "put it last"),
    ("order.**.paid", "put it last"),
    ("**.**", "put it last"),
    ("order paid", "a space or an unprintable character"),
    ("order.paid\n", "a space or an unprintable character"),
    ("order\x00", "a space or an unprintable character"),
    ("order\u200b", "a space or an unprintable character"),
    ("order\ud800", "a space or an unprintable character"),
    ("order\xa0paid", "a space or an unprintable character"),
]


@pytest.mark.parametrize(("pattern", "event_type"), COVERED)
def test_a_pattern_covers_the_type(pattern: str, event_type: str) -> None:
    assert matches(pattern, event_type)
    assert PatternIndex([(pattern, 1)]).find(event_type) == {1}


@pytest.mark.parametrize(("pattern", "event_type"), NOT_COVERED)
def test_a_pattern_does_not_cover_the_type(pattern: str, event_type: str) -> None:
    assert not matches(pattern, event_type)
    assert PatternIndex([(pattern, 1)]).find(event_type) == set()


@pytest.mark.parametrize("pattern", FINE)
def test_a_good_pattern_has_no_problem(pattern: str) -> None:
    assert check(pattern) is None


@pytest.mark.parametrize(("pattern", "words"), REFUSED)
def test_a_bad_pattern_is_refused_in_words(pattern: str, words: str) -> None:
    problem = check(pattern)
    assert problem is not None
    assert words in problem
    assert problem.endswith(".")


def test_a_value_with_several_covering_patterns_is_found_once() -> None:
    index = PatternIndex([("order.*", "a"), ("order.paid", "a"), ("**", "a"), ("x", "b")])
    assert index.find("order.paid") == {"a"}


def test_an_index_without_patterns_finds_nothing() -> None:
    assert PatternIndex[int]([]).find("order.paid") == set()


def test_what_an_index_hands_out_can_be_changed_without_harm() -> None:
    index = PatternIndex([("order.paid", 1)])
    index.find("order.paid").add(2)
    assert index.find("order.paid") == {1}


@pytest.mark.parametrize(
    ("pattern", "event_type"),
    [
        ("*" * 10_000, "a" * 10_000),
        (".".join("*" * 10_000), ".".join("a" * 10_000)),
        (".".join("*" * 10_000) + ".x", ".".join("a" * 10_001)),
        (".".join("*" * 10_000) + ".**", ".".join("a" * 10_001)),
    ],
)
def test_ten_thousand_stars_cost_less_than_ten_milliseconds(pattern: str, event_type: str) -> None:
    assert _fastest(lambda: matches(pattern, event_type)) < 0.010


def test_ten_thousand_exact_subscriptions_cost_one_look_up() -> None:
    index = PatternIndex([(f"order.paid{n}", n) for n in range(10_000)])
    assert index.find("order.paid77") == {77}
    assert _fastest(lambda: index.find("order.paid77")) < 0.001


def test_crossing_stars_do_not_make_the_index_explode() -> None:
    words = [f"{n:010b}".replace("0", "*").replace("1", "a") for n in range(1024)]
    index = PatternIndex([(".".join(word), n) for n, word in enumerate(words)])
    assert len(index.find(".".join("a" * 10))) == 1024
    assert _fastest(lambda: index.find(".".join("a" * 10))) < 0.050


def _fastest(work: object) -> float:
    assert callable(work)
    times = []
    for _ in range(3):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


@pytest.mark.parametrize(
    ("pattern", "expression"),
    [
        ("order.paid", r"^order\.paid$"),
        ("order.*", r"^order\.[^.]+$"),
        ("order.**", r"^order\..+$"),
        ("**", "^.+$"),
        ("*.a+b", r"^[^.]+\.a\+b$"),
    ],
)
def test_a_pattern_is_given_to_postgres_as_an_expression(pattern: str, expression: str) -> None:
    assert as_regex(pattern) == expression
