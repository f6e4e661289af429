"""Which events of a type a subscription wants, as an expression in CEL (https://cel.dev).

A filter runs while events are being accepted and can't be interrupted, so `check` lets through only
what `filter_syntax` bounds, and `evaluate` answers for every event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

import cel

from events.rules.filter_syntax import Problem, find_problem

__all__ = ["Facts", "Filter", "Match", "NoMatch", "Problem", "check", "compile_filter", "evaluate"]

MAX_BYTES: Final = 2048
MAX_DEPTH: Final = 200
# A key or a text of the event may be quoted in a reason, and those can be long.
MAX_REASON: Final = 200

_PARSE_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]*)")
_KINDS: Final = {
    "NoneType": "null",
    "bytes": "bytes",
    "dict": "an object",
    "float": "a number",
    "int": "a number",
    "list": "a list",
    "str": "text",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """An expression that `check` found good, compiled. Threads may share it."""

    source: str
    program: cel.Program = field(repr=False, compare=False)
    reads_data: bool = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Match:
    """The filter is true for the event."""


@dataclass(frozen=True, slots=True)
class NoMatch:
    """The filter is not true for the event; the reason completes "not sent, because"."""

    reason: str


# No slots: a cached property needs a place to live.
@dataclass(frozen=True)
class Facts:
    """What filters see of an event; `data` is parsed JSON, and None if it was no JSON.

    They are converted once, however many filters ask, and `data` only if one of them reads it.
    """

    type: str
    source: str
    subject: str | None = None
    time: datetime | None = None
    tenant: str | None = None
    extensions: Mapping[str, object] = field(default_factory=dict)
    data: object = None

    @cached_property
    def without_data(self) -> cel.Context | NoMatch:
        """The facts in CEL's terms, short of `data`; or why they can't be told in them."""
        return _context(self._envelope())

    @cached_property
    def with_data(self) -> cel.Context | NoMatch:
        """All facts in CEL's terms; or why they can't be told in them."""
        # The library recurses on the way in, and overflowing the stack there ends the process.
        if _is_deeper(self.data, levels=MAX_DEPTH):
            return NoMatch(f"data is nested deeper than the {MAX_DEPTH} levels a filter can read")
        return _context({**self._envelope(), "data": self.data})

    def _envelope(self) -> dict[str, object]:
        return {
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "time": self.time,
            "tenant": self.tenant,
            "extensions": dict(self.extensions),
        }


def check(expression: str) -> Problem | None:
    """Say why an expression can't be a filter; None if it can."""
    size = len(expression.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        return Problem(f"The filter has {size} bytes. The limit is {MAX_BYTES}.")
    try:
        cel.compile(expression)
    except ValueError as error:
        return _parse_problem(expression, str(error))
    return find_problem(expression)


def compile_filter(expression: str) -> Filter:
    """Compile an expression; raises ValueError, in the problem's words, if `check` refuses it."""
    problem = check(expression)
    if problem is not None:
        raise ValueError(problem.message)
    program = cel.compile(expression)
    return Filter(expression, program, reads_data="data" in program.variables())


def evaluate(filter_: Filter, facts: Facts) -> Match | NoMatch:
    """Tell whether a filter is true for an event. Never raises: an error is a reason."""
    context = facts.with_data if filter_.reads_data else facts.without_data
    if isinstance(context, NoMatch):
        return context
    # All that 1.4 million generated expressions raised; the library catches its own panics.
    try:
        return _judge(filter_.program.execute(context))
    except KeyError as error:
        return _no_match(f"there is no field {_shorten(str(error.args[0]))!r}")
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return _no_match(_explain(str(error)))


def _judge(result: object) -> Match | NoMatch:
    match result:
        case True:
            return Match()
        case False:
            return NoMatch("the filter is false")
        case _:
            kind = _KINDS.get(type(result).__name__, "a value")
            return NoMatch(f"the filter gives {kind}, and not true or false")


def _context(variables: dict[str, object]) -> cel.Context | NoMatch:
    try:
        return cel.Context(variables)
    except (ArithmeticError, TypeError, ValueError):
        # Lone surrogates and integers too big even for a double are legal in JSON.
        return NoMatch("the event holds a number or a text that a filter can't read")


def _is_deeper(value: object, *, levels: int) -> bool:
    level = [value]
    for _ in range(levels + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


def _explain(error: str) -> str:
    if name := re.match(r"Undefined variable or function: '(\w+)'", error):
        return f"{name[1]} does not go with values of these types"
    if error.startswith("No such overload"):
        return "it compares or combines values of different types"
    return error.partition(". ")[0].rstrip(".")


def _no_match(reason: str) -> NoMatch:
    return NoMatch(_shorten(reason))


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def _parse_problem(expression: str, error: str) -> Problem:
    # The library quotes the expression, which may itself read like an error.
    error = error.removeprefix(f"Failed to parse expression '{expression}': ")
    found = _PARSE_ERROR.match(error)
    if found is None:
        return Problem("The filter can't be read as a CEL expression.")
    line, column, message = int(found[1]), int(found[2]), found[3]
    before = sum(len(text) + 1 for text in expression.split("\n")[: line - 1])
    position = min(before + column - 1, len(expression))
    return Problem(_reword(message.strip()), position)


def _reword(message: str) -> str:
    if "input '<EOF>'" in message:
        return "The filter ends too early: something is missing at the end."
    if unexpected := re.match(r"(?:mismatched|extraneous) input ('.*?') expecting ", message):
        return f"{unexpected[1]} is not expected here."
    if unread := re.match(r"token recognition error at: (.*)", message):
        return f"This can't be read: {unread[1]}. Check quotes, escapes and odd characters."
    return f"The filter can't be read: {message.rstrip('.')}."
