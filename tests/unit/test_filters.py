"""Filters: what may be said, what is refused and where, and that every event gets an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter

import pytest

from events.rules.filter_syntax import regex_size
from events.rules.filters import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_REASON,
    Facts,
    Match,
    NoMatch,
    check,
    compile_filter,
    evaluate,
)

FACTS = Facts(
    type="order.paid",
    source="shop/eu",
    subject="A-17",
    time=datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
    tenant="acme",
    extensions={"region": "eu"},
    data={
        "total": 120,
        "rate": 0.5,
        "paid": True,
        "note": None,
        "name": "Zoë",
        "items": [{"sku": "A1", "n": 2}, {"sku": "B2", "n": 0}],
        "tags": ["new", "vip"],
        "all": 1,
        "big": 2**64 - 1,
    },
)

TRUE = [
    "true",
    "type == 'order.paid' && source.startsWith('shop/')",
    "subject == 'A-17' && tenant == 'acme'",
    "extensions.region == 'eu' && extensions['region'] == 'eu'",
    "data.total > 100 && data.rate < 1 && data.paid",
    "data.note == null && data.name == 'Zoë'",
    "data.all == 1",
    "data.big > 9223372036854775807u",
    "has(data.total) && !has(data.nothing)",
    "'vip' in data.tags && size(data.items) == 2",
    "type.matches('^order\\\\.(paid|refunded)$')",
    "type.matches(r'^order\\.paid$')",
    "data.items.exists(i, i.sku == 'A1' && i.n > 1)",
    "data.items.all(i, i.n >= 0 && source != type)",
    "data.items.exists_one(type, type.sku == 'B2')",
    "data.items . exists // one\n (i, i.n == 2) && data.tags.exists(t, t == 'vip')",
    "time > timestamp('2026-01-01T00:00:00Z') && time.getHours() == 12",
    "time + duration('1h') > time",
    "type(data.total) == int && type(data) == map && type(null) == null_type",
    "'.all(x, y.all(z, true))' != type && r'\\' != type && '\\'.all(' != type",
    '\'\'\'a\'b"c\nd\'\'\' != type && """a"b""" != type && b\'x\' == b"x"',
    "{'a': 1}.a == 1 && [1, 2][0] == 1 && (true ? 1 : 2) == 1",
    "true || data.nothing == 1",
    "1.5e+1 == 15.0 && 0x1F == 31 && 1u == 1",
]

REFUSED = [
    ("1 +", "ends too early", 3),
    ("", "ends too early", 0),
    ("// nothing", "ends too early", 10),
    ("a b", "'b' is not expected", 2),
    ("type == 'a'\n&& &&", "'&&' is not expected", 15),
    ("'éé' == 'é", "can't be read", 8),
    ("'abc", "can't be read", 0),
    ("'\\q' == type", "can't be read", 0),
    ("type\x00", "can't be read", 4),
    ("has(data)", "has() macro", 4),
    ("if", "reserved identifier", 0),
    ("99999999999999999999 > 0", "invalid int literal", 0),
    ("type.?all", "unsupported syntax", None),
    ("type == '\ud800'", "can't be read", None),
    ("ERROR: <input>:7:7: Syntax error: fooled", "is not expected", 5),
    ("'" + "a" * MAX_BYTES + "' == type", "The limit is 2048", None),
    ("'" + "é" * 1020 + "' == type", "The limit is 2048", None),
    ("(" * 500 + "true" + ")" * 500, "can't be read", None),
    ("[" * 900 + "]" * 900, "can't be read", None),
    ("foo == 1", "no variable foo", 0),
    ("type == 'a' && user.name == 'b'", "no variable user", 15),
    ("{a: 1} == data", "no variable a", 1),
    ("optional.none() == data", "no variable optional", 0),
    ("data.l.all(x, true) && x == 1", "no variable x", 23),
    ("data.l.all(x, y)", "no variable y", 14),
    (".type == 'a'", "begin with a dot", 0),
    ("1 in .type", "begin with a dot", 5),
    ("type{}", "builds a message", 0),
    ("a.Message{}", "no variable a", 0),
    ("starsWith(type, 'a')", "no function starsWith", 0),
    ("data.l.sum() > 1", "no function sum", 7),
    ("data.l.transformList(i, v, v) == []", "no function transformList", 7),
    ("data.l.all(x, x.l.all(y, true))", "can't be nested", 18),
    ("data.l.all(x, x.all(x, true))", "can't be nested", 16),
    ("data.l.exists(x, [1].exists_one(y, true))", "can't be nested", 21),
    ("data.l.exists(x, [1].existsOne(y, true))", "can't be nested", 21),
    ("data.l.all(x, (x.l . all // why\n (y, true)))", "can't be nested", 21),
    ("data.l.all(x, {'a': [x.exists(y, true)]}.a[0])", "can't be nested", 23),
    ("data.l.all(x, r'\\' == x && x.all(y, true))", "can't be nested", 29),
    ("data.l.all(x, '\\')' == x && x.all(y, true))", "can't be nested", 30),
    ("data.l.all(x, '''')''' == x && x.all(y, true))", "can't be nested", 33),
    ("data.l.map(x, x) == []", "Use exists", 7),
    ("data.l.filter(x, true).size() == 1", "Use exists", 7),
    ("data.l.all(x, x in data.l)", "once per item", 19),
    ("data.l.all(x, extensions[x] == x)", "once per item", 14),
    ("data.l.all(x, x.matches('a'))", "too slow in a loop", 16),
    ("type.matches(source)", "one plain text", 5),
    ("type.matches('a' + 'b')", "one plain text", 5),
    ("type.matches(b'a')", "one plain text", 5),
    ("matches(type, 'a')", "one plain text", 0),
    ("type.matches('(')", "unclosed group", 5),
    ("type.matches('(?i)A{1000}{1000}{1000}')", "size limit", 5),
    ("type.matches('(x{100}){100}!')", "too big", 5),
    ("type.matches('(x\\x7b100}){100}!')", "too big", 5),
    ("type.matches('\\\\w{100}')", "too big", 5),
    ("type.matches('a{300}') || type.matches('b{300}')", "too big", 31),
    ("type" + " + type" * 17 + " == ''", "Use + at most 16", 117),
    ("[data" + ",data" * 40 + "] == []", "at most 32 times", 161),
    (" && ".join(["data.all(x, x)"] * 9), "at most 8 loops", 149),
    ("data.all(x, " + "&&".join(["x"] * 60) + ")", "at most 100 words", 110),
]

NO_MATCH = [
    ("false", "the filter is false"),
    ("data.nothing == 1", "there is no field 'nothing'"),
    ("data.items[7].n == 1", "index out of bounds: 7"),
    ("data.total > 'x'", "it compares or combines values of different types"),
    ("data.name.foo == 1", "it compares or combines values of different types"),
    ("data.total.startsWith('1')", "startsWith does not go with values of these types"),
    ("data.name + 1 == ''", "Unsupported operation: string + int"),
    ("!data.total", "it compares or combines values of different types"),
    ("data.total / 0 == 1", "division by zero in CEL expression"),
    ("data.big + 1u > 0u", "Arithmetic overflow in 'add' on 18446744073709551615 and 1"),
    ("int(data.name) == 1", "Function 'int' error: string parse error"),
    ("timestamp(data.name) < time", "Function 'timestamp' error"),
    ("data.total", "the filter gives a number, and not true or false"),
    ("data.rate", "the filter gives a number, and not true or false"),
    ("data.name", "the filter gives text, and not true or false"),
    ("data.note", "the filter gives null, and not true or false"),
    ("data.items", "the filter gives a list, and not true or false"),
    ("data", "the filter gives an object, and not true or false"),
    ("time", "the filter gives a value, and not true or false"),
    ("int", "the filter gives text, and not true or false"),
    ("data.items.all(i, i.sku)", "it compares or combines values of different types"),
]


def answer(expression: str, facts: Facts = FACTS) -> Match | NoMatch:
    return evaluate(compile_filter(expression), facts)


def reason(expression: str, facts: Facts = FACTS) -> str:
    result = answer(expression, facts)
    assert isinstance(result, NoMatch)
    return result.reason


@pytest.mark.parametrize("expression", TRUE)
def test_a_filter_that_is_true_matches(expression: str) -> None:
    assert check(expression) is None
    assert answer(expression) == Match()


@pytest.mark.parametrize(("expression", "words", "position"), REFUSED)
def test_an_expression_is_refused_in_words_at_its_place(
    expression: str, words: str, position: int | None
) -> None:
    problem = check(expression)
    assert problem is not None
    assert words in problem.message
    assert problem.message.endswith(".")
    assert position in (None, problem.position)


@pytest.mark.parametrize("expression", ["1 +", "foo == 1", "data.l.all(x, x.all(y, true))"])
def test_what_is_refused_is_not_compiled_either(expression: str) -> None:
    problem = check(expression)
    assert problem is not None
    with pytest.raises(ValueError, match=r"\.$") as caught:
        compile_filter(expression)
    assert str(caught.value) == problem.message


@pytest.mark.parametrize(("expression", "words"), NO_MATCH)
def test_an_event_that_a_filter_is_not_true_for_gets_a_reason(expression: str, words: str) -> None:
    assert reason(expression).startswith(words)


def test_a_filter_keeps_its_source_and_is_equal_by_it() -> None:
    assert compile_filter("true").source == "true"
    assert compile_filter("true") == compile_filter("true") != compile_filter("false")


def test_an_event_without_json_has_null_for_data() -> None:
    bare = Facts(type="a", source="b")
    assert answer("data == null && subject == null && time == null", bare) == Match()
    assert "different types" in reason("data.total == 1", bare)


@pytest.mark.parametrize("data", [10**400, [-(10**400)], {"a": "\ud800"}, {"\ud800": 1}])
def test_data_that_cel_cannot_hold_is_no_match_for_filters_that_read_it(data: object) -> None:
    facts = Facts(type="a", source="b", data=data)
    assert "can't read" in reason("data == data", facts)
    assert answer("type == 'a'", facts) == Match()


def test_integers_past_64_bits_are_compared_as_floating_point() -> None:
    assert answer("data > 1e21 && data < 1e22", Facts("a", "b", data=2**70)) == Match()


def test_text_that_cel_cannot_hold_in_the_envelope_is_no_match() -> None:
    assert "can't read" in reason("true", Facts(type="\ud800", source="b"))


def test_data_nested_too_deep_is_no_match_and_does_not_end_the_process() -> None:
    assert answer("size(data) == 1", Facts("a", "b", data=nested(MAX_DEPTH - 1))) == Match()
    for depth in (MAX_DEPTH + 1, 100_000):
        facts = Facts("a", "b", data=nested(depth))
        assert reason("size(data) == 1", facts).startswith("data is nested deeper than the 200")
        assert answer("type == 'a'", facts) == Match()


def test_data_that_holds_itself_is_no_match() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "nested deeper" in reason("size(data) == 1", Facts("a", "b", data=loop))


def test_a_reason_is_short_however_long_the_event_is() -> None:
    facts = Facts("a", "b", data={"key": "k" * 10_000})
    assert len(reason("{'a': 1}[data.key] == 1", facts)) < MAX_REASON + 40
    assert len(reason("int(data.key) == 1", facts)) <= MAX_REASON
    assert len(reason("timestamp(data.key) < time", facts)) <= MAX_REASON


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|aa)+$", "(.*a){9}!", "a{400}[^a]", r"(a?b?)*!"])
def test_a_catastrophic_regular_expression_takes_linear_time(pattern: str) -> None:
    facts = Facts("a", "b", data="a" * 100_000 + "b")
    assert seconds(f"data.matches(r'{pattern}') || true", facts) < 1


@pytest.mark.parametrize(
    "expression",
    [
        "data.all(x, x == 0 && x >= 0 && x != 1 && [x, x] == [x, x])",
        " && ".join(["data.exists_one(x, x == 1)"] * 8) + " || true",
        "data == data && data + data == data + data && [data, data] == [data, data]",
    ],
)
def test_an_event_of_the_largest_size_takes_less_than_a_second(expression: str) -> None:
    assert seconds(expression, Facts("a", "b", data=[0] * 125_000)) < 1


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("abc", 3),
        ("a{10}", 15),
        ("(a{10}){10}", 210),
        ("a{10}{10}", 190),
        ("(?x) (a ) {10}", 140),
        (r"\d{4}", 29),
        (r"\w", 31),
        (r"\\w", 3),
        (r"\x{1F600}", 2),
        (r"\\x{100}", 108),
        (r"\{100}", 6),
        ("a{0}", 4),
        ("([{]a){10}", 110),
    ],
)
def test_the_size_of_a_regular_expression_counts_what_repetition_unrolls(
    pattern: str, size: int
) -> None:
    assert regex_size(pattern) == size


def nested(depth: int) -> object:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def seconds(expression: str, facts: Facts) -> float:
    compiled = compile_filter(expression)
    started = perf_counter()
    assert evaluate(compiled, facts) == Match()
    return perf_counter() - started
