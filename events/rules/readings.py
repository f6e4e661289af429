"""What a filter reads of an event, and what it found there: why it was false, in values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import islice

from events.rules.filter_syntax import Token, tokenize
from events.rules.filters import Facts

MOST = 5
LONGEST = 80

_ROOTS = frozenset(field.name for field in fields(Facts))
_ABSENT = object()


def values_read(expression: str, facts: Facts) -> dict[str, str]:
    """The first fields that an expression names, each with its value as short JSON.

    The names that a loop binds are no fields, and what is inside of a list is not looked up.
    """
    tokens = list(tokenize(expression))
    found = {
        ".".join(path): _shown(_value(facts, path)) for path in _paths(tokens) if path[0] in _ROOTS
    }
    return dict(islice(found.items(), MOST))


def _paths(tokens: Sequence[Token]) -> Iterator[tuple[str, ...]]:
    for place, token in enumerate(tokens):
        if token.is_value and token.text != token.bound:
            yield token.text, *_selected(tokens[place + 1 :])


def _selected(tokens: Sequence[Token]) -> Iterator[str]:
    """The names after dots and in brackets, up to a call."""
    while len(tokens) > 1:
        if tokens[0].text == "." and tokens[1].kind == "name" and not tokens[1].is_call:
            yield tokens[1].text
            tokens = tokens[2:]
        elif tokens[0].text == "[" and tokens[1].kind == "text":
            yield tokens[1].text.strip("\"'")
            tokens = tokens[3:]
        else:
            return


def _value(facts: Facts, path: Sequence[str]) -> object:
    found: object = getattr(facts, path[0])
    for name in path[1:]:
        found = found.get(name, _ABSENT) if isinstance(found, Mapping) else _ABSENT
    return found


def _shown(value: object) -> str:
    match value:
        case _ if value is _ABSENT:
            return "absent"
        case Mapping():
            return "an object"
        case list():
            return f"a list of {len(value):,}"
        case _:
            text = json.dumps(value, ensure_ascii=False, default=str)
            return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
