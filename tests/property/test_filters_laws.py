"""Laws of filters: any text is judged, any event is answered, and the tokens are CEL's own."""

from __future__ import annotations

from datetime import UTC, datetime

import cel
from hypothesis import example, given
from hypothesis import strategies as st

from events.rules.filter_syntax import regex_size, tokenize
from events.rules.filters import Facts, Match, NoMatch, Problem, check, compile_filter, evaluate

ATOMS = [
    *(f"data.{name}" for name in "snlmfbz"),
    *("data", "data.nothing", "type", "source", "subject", "time", "tenant", "extensions"),
    *("0", "1", "-1", "9223372036854775807", "-9223372036854775808", "18446744073709551615u"),
    *("0u", "1.5", "1e308", "double('nan')", "double('inf')", "null", "true", "false", "int"),
    *("''", "'é'", "b'\\xff'", "r'\\d'", "'\\''", "'''a'b'''", '"""a"b"""'),
    *("[]", "{}", "[1, 'a']", "{'a': 1}", "duration('1ns')", "duration('2562047h')"),
    *("timestamp('9999-12-31T23:59:59Z')", "timestamp('0001-01-01T00:00:00Z')"),
]
BINARY = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"]
UNARY = ["size", "int", "uint", "double", "string", "bytes", "timestamp", "duration", "dyn", "!"]
METHODS = ["contains", "startsWith", "endsWith"]
LOOPS = ["all", "exists", "exists_one"]
PIECES = [*"'\"\\`{}[]()?:.,!+é𝒳\x00\n\r\f\u2028 ", "'''", '"""', "r'", "//", "\\u", "x", "in"]


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(BINARY), inner),
        st.builds("{}({})".format, st.sampled_from(UNARY), inner),
        st.builds("{}.{}({})".format, inner, st.sampled_from(METHODS), inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{}.getHours()".format, inner),
        st.builds("{}.matches('{}')".format, inner, st.text(alphabet="a(){}?*+|1\\\\dw")),
        st.builds("{}.{}(x, {})".format, inner, st.sampled_from(LOOPS), inner),
        st.builds("{} // {}\n".format, inner, st.text(alphabet="a'\"(", max_size=3)),
    )


expressions = st.recursive(st.sampled_from([*ATOMS, "x", "x"]), grow, max_leaves=12)
broken = st.builds(
    lambda text, at, piece: text[: at % (len(text) + 1)] + piece + text[at % (len(text) + 1) :],
    expressions,
    st.integers(0, 1000),
    st.sampled_from(PIECES),
)
texts = st.text() | st.text(alphabet="datype.l(x,)'\"\\r/ \n[]{}=+1") | broken | expressions

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("a"), inner),
    max_leaves=10,
)
facts = st.builds(
    Facts,
    type=st.text(),
    source=st.text(),
    subject=st.none() | st.text(),
    time=st.none()
    | st.datetimes(timezones=st.timezones() | st.just(UTC))
    | st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)]),
    tenant=st.none() | st.text(),
    extensions=st.dictionaries(st.text(), st.text()),
    data=json_values
    | st.fixed_dictionaries(
        dict.fromkeys("snlmfbz", json_values), optional={"nothing": json_values}
    ),
)


@given(texts)
@example("\ud800")
@example("'''")
@example("(" * 2000)
@example("!" * 2000 + "true")
@example("1" + "+1" * 1000)
def test_any_text_is_a_filter_or_a_problem_with_a_place_inside_it(text: str) -> None:
    problem = check(text)
    if problem is None:
        assert compile_filter(text).source == text
        return
    assert isinstance(problem, Problem)
    assert problem.message.endswith(".")
    assert problem.position is None or 0 <= problem.position <= len(text)


@given(texts, facts)
def test_every_event_gets_an_answer_from_every_filter(text: str, seen: Facts) -> None:
    if check(text) is None:
        answer = evaluate(compile_filter(text), seen)
        assert isinstance(answer, Match) or answer.reason


@given(expressions | broken)
def test_the_names_among_the_tokens_are_those_that_cel_sees(text: str) -> None:
    try:
        program = cel.compile(text)
    except ValueError:
        return
    tokens = list(tokenize(text))
    names = {token.text for token in tokens if token.is_value}
    calls = {token.text for token in tokens if token.is_call}
    rooted = {name for name in program.variables() if name.startswith(".")}
    assert not rooted or check(text) is not None
    assert set(program.variables()) - rooted <= names
    assert {name for name in program.functions() if name.isidentifier()} - {"_"} <= calls


@given(expressions, expressions)
def test_a_loop_inside_a_loop_is_always_refused(outer: str, inner: str) -> None:
    assert check(f"data.l.all(x, {outer} == {inner}.exists(y, true))") is not None
    assert check(f"data.l.all(x, [{outer}, {inner}].exists_one(y, true))") is not None


@given(expressions, st.text(alphabet="abc .()*'").map(repr))
def test_what_stands_in_quotes_or_comments_never_refuses(expression: str, quoted: str) -> None:
    quoted_loop = '"x.all(y, z.all(w, nothing(v)))"'
    longer = f"({expression}) == {quoted_loop} // .all(x, y.all(z, {quoted}))"
    if check(expression) is None and len(longer.encode()) < 2048:
        assert check(longer) is None


@given(facts)
def test_constants_and_the_envelope_never_depend_on_data(seen: Facts) -> None:
    envelope_is_legal = not isinstance(seen.without_data, NoMatch)
    assert (evaluate(compile_filter("true"), seen) == Match()) == envelope_is_legal


@given(st.text(alphabet="ab(){}?*+|1239,dwx[]", max_size=40), st.integers(2, 9))
def test_repeating_a_group_multiplies_the_size_of_a_regular_expression(
    pattern: str, times: int
) -> None:
    assert regex_size(f"({pattern}){{{times}}}") >= times * (len(pattern) + 2)
