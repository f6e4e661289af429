"""Which event types a subscription wants: `order.paid`, `order.*` (one level), `order.**`, `**`.

A pattern is read segment by segment, split at dots, and never as a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Generic, TypeVar

MAX_LENGTH: Final = 256

ONE_LEVEL: Final = "*"
ALL_BELOW: Final = "**"

Value = TypeVar("Value", bound=Hashable)


def check(pattern: str) -> str | None:
    """Say what is wrong with a pattern, in a sentence that says what to do; None if it is fine."""
    if not pattern:
        return (
            "The pattern is empty. Write an event type such as order.paid, or ** for every event."
        )
    if len(pattern) > MAX_LENGTH:
        return f"The pattern has {len(pattern)} characters. The limit is {MAX_LENGTH}."
    *parents, last = pattern.split(".")
    if ALL_BELOW in parents:
        return "** stands for all that follows, so put it last, as in order.**."
    segments = chain(parents, () if last == ALL_BELOW else (last,))
    return next((problem for problem in map(_check_segment, segments) if problem), None)


def matches(pattern: str, event_type: str) -> bool:
    """Tell whether a pattern covers an event type, in time linear in their lengths.

    `*` is exactly one level at any position, `**` at the end is one or more levels, `**` alone
    is everything. Any text is accepted on both sides; a pattern that `check` refuses just
    takes what it can't read as text.
    """
    if pattern == ALL_BELOW:
        return True
    wanted, found = pattern.split("."), event_type.split(".")
    if wanted[-1] == ALL_BELOW:
        wanted.pop()
        if len(found) <= len(wanted):
            return False
        del found[len(wanted) :]
    return len(wanted) == len(found) and all(
        w in (ONE_LEVEL, f) for w, f in zip(wanted, found, strict=True)
    )


class PatternIndex(Generic[Value]):
    """Many patterns, compiled: finds the values whose pattern covers an event type.

    Patterns without wildcards cost one look-up in a dict, however many there are. The others
    are a trie on segments, walked once per event type.
    """

    def __init__(self, entries: Iterable[tuple[str, Value]]) -> None:
        self._exact: dict[str, set[Value]] = {}
        self._root: _Node[Value] = _Node()
        for pattern, value in entries:
            self._place(pattern).add(value)

    def find(self, event_type: str) -> set[Value]:
        """Return each value once, in no order, that has a pattern covering this event type."""
        exact = self._exact.get(event_type, ())
        return set(chain(exact, *_walk(self._root, event_type.split("."))))

    def _place(self, pattern: str) -> set[Value]:
        segments = pattern.split(".")
        if segments[-1] != ALL_BELOW and ONE_LEVEL not in segments:
            return self._exact.setdefault(pattern, set())
        below = segments[-1] == ALL_BELOW
        node = self._root
        for segment in segments[:-1] if below else segments:
            node = node.children.setdefault(segment, _Node())
        return node.below if below else node.here


@dataclass(slots=True)
class _Node(Generic[Value]):
    """A place in the trie: `here` for patterns that end in it, `below` for those with `**`."""

    children: dict[str, _Node[Value]] = field(default_factory=dict)
    here: set[Value] = field(default_factory=set)
    below: set[Value] = field(default_factory=set)


def _walk(root: _Node[Value], segments: list[str]) -> Iterator[set[Value]]:
    # Each node is reached by one path only, so the walk never costs more than the trie is big.
    level = [root]
    for segment in segments:
        yield from (node.below for node in level)
        steps = (segment,) if segment == ONE_LEVEL else (segment, ONE_LEVEL)
        level = [node.children[step] for node in level for step in steps if step in node.children]
        if not level:
            return
    yield from (node.here for node in level)


def _check_segment(segment: str) -> str | None:
    if segment == ONE_LEVEL:
        return None
    if not segment:
        return "There is nothing before, after or between two dots. Put a name or * there."
    if "*" in segment:
        return f"{segment!r} mixes * with text. Let * stand alone between dots, as in order.*."
    if any(c.isspace() or not c.isprintable() for c in segment):
        return f"{segment!r} holds a space or an unprintable character. Remove it, or use *."
    return None


def as_regex(pattern: str) -> str:
    """The pattern as a POSIX expression for Postgres; it has no nested repetition."""
    segments = [
        ".+" if part == "**" else "[^.]+" if part == "*" else re.escape(part)
        for part in pattern.split(".")
    ]
    return "^" + r"\.".join(segments) + "$"
