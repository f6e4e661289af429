"""Laws of type patterns, over all sorts of patterns and event types."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.rules.patterns import MAX_LENGTH, PatternIndex, check, matches

# A small alphabet makes patterns and types meet often enough to say something.
segments = st.sampled_from(["a", "b", "ab", "", " ", "/"])
event_types = st.lists(segments, min_size=1, max_size=5).map(".".join) | st.text()
good_patterns = st.builds(
    lambda body, tail: ".".join([*body, *tail]) or "**",
    st.lists(st.sampled_from(["a", "b", "ab", "*", "/"]), max_size=5),
    st.sampled_from([[], ["**"]]),
)
any_patterns = (
    good_patterns
    | st.lists(segments | st.sampled_from(["*", "**", "***"]), max_size=5).map(".".join)
    | st.text()
)


@given(st.lists(any_patterns, max_size=30), event_types)
def test_the_index_agrees_with_matching_one_by_one(patterns: list[str], event_type: str) -> None:
    index = PatternIndex((pattern, n) for n, pattern in enumerate(patterns))
    expected = {n for n, pattern in enumerate(patterns) if matches(pattern, event_type)}
    assert index.find(event_type) == expected


@given(good_patterns)
def test_patterns_built_by_the_rules_are_fine(pattern: str) -> None:
    assert check(pattern) is None


@given(any_patterns)
def test_a_pattern_is_fine_or_refused_in_a_sentence(pattern: str) -> None:
    problem = check(pattern)
    assert problem is None or problem.endswith(".")
    if problem is None:
        assert 0 < len(pattern) <= MAX_LENGTH


@given(event_types)
def test_two_stars_cover_everything(event_type: str) -> None:
    assert matches("**", event_type)


@given(event_types.filter(lambda text: "*" not in text))
def test_a_type_without_stars_covers_itself_alone(event_type: str) -> None:
    assert matches(event_type, event_type)
    assert not matches(event_type, event_type + ".more")
    assert not matches(event_type, "more." + event_type)


@given(event_types, segments, event_types)
def test_one_star_is_one_level_and_two_stars_are_one_or_more(
    parent: str, child: str, below: str
) -> None:
    stem = parent.replace("*", "x")
    assert matches(f"{stem}.*", f"{stem}.{child}")
    assert not matches(f"{stem}.*", f"{stem}.{child}.{below}")
    assert matches(f"{stem}.**", f"{stem}.{child}.{below}")
    assert not matches(f"{stem}.**", stem)


@given(any_patterns, event_types)
def test_a_star_in_place_of_a_name_never_covers_less(pattern: str, event_type: str) -> None:
    names = pattern.split(".")
    for n, name in enumerate(names):
        if name != "**" and matches(pattern, event_type):
            wider = ".".join([*names[:n], "*", *names[n + 1 :]])
            assert matches(wider, event_type)
