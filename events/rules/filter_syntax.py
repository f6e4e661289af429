"""What a filter may say, so that evaluating it stays linear in the event: read from its tokens.

A loop is one of CEL's macros `all`, `exists` and `exists_one`. Loops do not nest, and read per item
only the item itself and values that are short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import cel

# With these, the worst expression that passes takes some 0.4 s on an event of 256 KB. What they
# stop: 4 s in one long loop, 7 s and 1.5 GB in one list of 380 copies of `data`.
MAX_LOOPS: Final = 8
MAX_LOOP_WORDS: Final = 100
MAX_MENTIONS: Final = 32
MAX_PLUS: Final = 16
MAX_REGEX: Final = 500

SHORT: Final = frozenset({"type", "source", "subject", "time", "tenant"})
LONG: Final = frozenset({"extensions", "data"})
VARIABLES: Final = SHORT | LONG

_KEYWORDS: Final = frozenset({"true", "false", "null", "in"})
_TYPES: Final = frozenset(
    {"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"}
)
_LOOPS: Final = frozenset({"all", "exists", "exists_one", "existsOne"})
# Both copy what they have so far for each item: 2.8 s for a list of 10,000.
_COPYING: Final = frozenset({"map", "filter"})
_FUNCTIONS: Final = frozenset(
    {
        "has",
        "size",
        "type",
        "dyn",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "timestamp",
        "duration",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
    }
)

# The lexical rules of CEL: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
_TOKEN: Final = re.compile(
    r"""
      (?P<space> [ \t\r\n\f]+ | //[^\n]* )
    | (?P<text> [bB]?[rR] (?: '{3}.*?'{3} | "{3}.*?"{3} | '[^'\r\n]*' | "[^"\r\n]*" )
              | [bB]? (?: '{3}(?:\\.|[^\\])*?'{3} | "{3}(?:\\.|[^\\])*?"{3}
                        | '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" ) )
    | (?P<number> 0x[0-9a-fA-F]+[uU]? | [0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[uU]? )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<mark> . )
    """,
    re.VERBOSE | re.DOTALL,
)
# What a dot that selects a field can follow.
_OPERAND_END: Final = re.compile(r"""[A-Za-z0-9_)\]}'"]$""")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression is refused; `position` counts characters from 0, None if unknown."""

    message: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A word of an expression, the texts around it, and the name that its loop binds, if any."""

    kind: str
    text: str
    start: int
    before: str
    after: tuple[str, str, str]
    bound: str | None

    @property
    def is_call(self) -> bool:
        return self.kind == "name" and self.after[0] == "("

    @property
    def is_value(self) -> bool:
        return self.kind == "name" and self.before != "." and not self.is_call


def tokenize(expression: str) -> Iterator[Token]:
    """Split an expression that parses as CEL into its tokens, without spaces and comments."""
    found = [match for match in _TOKEN.finditer(expression) if match.lastgroup != "space"]
    texts = ["", *(match[0] for match in found), "", "", ""]
    bound: list[str | None] = [None]
    for n, match in enumerate(found, start=1):
        text, before, after = texts[n], texts[n - 1], (texts[n + 1], texts[n + 2], texts[n + 3])
        if text in {")", "]", "}"}:
            bound.pop()
        yield Token(match.lastgroup or "", text, match.start(), before, after, bound[-1])
        if text in {"(", "[", "{"}:
            opens_loop = text == "(" and before in _LOOPS | _COPYING
            bound.append(after[0] if opens_loop else bound[-1])


def find_problem(expression: str) -> Problem | None:
    """Return the first thing that a filter may not say; the expression must parse as CEL."""
    tokens = list(tokenize(expression))
    for token in tokens:
        message = _refuse_call(token) if token.is_call else _refuse_word(token)
        if message is not None:
            return Problem(message, token.start)
    return _refuse_total(tokens)


def _refuse_call(token: Token) -> str | None:
    name = token.text
    if name in _COPYING:
        return f"{name} is too slow on long lists. Use exists, all or exists_one instead."
    if name in _LOOPS and token.bound is not None:
        return f"{name} stands inside another loop. Loops can't be nested: join them with &&."
    if name == "matches":
        return _refuse_matches(token)
    if name in _FUNCTIONS | _LOOPS:
        return None
    return f"There is no function {name}. Known are: {', '.join(sorted(_FUNCTIONS | _LOOPS))}."


def _refuse_matches(token: Token) -> str | None:
    if token.bound is not None:
        return "matches is too slow in a loop. Use ==, startsWith, endsWith or contains there."
    _, argument, closing = token.after
    if argument[:1] not in set("'\"rR") or argument[-1:] not in set("'\"") or closing != ")":
        return "matches takes its regular expression as one plain text, as in matches('^A')."
    try:
        cel.compile(f"''.matches({argument})").execute()
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition(". Check function")[0].splitlines()[-1]
        return f"The regular expression fails: {reason.removeprefix('error: ').rstrip('.')}."
    return None


def _refuse_word(token: Token) -> str | None:
    if token.text == "." and (token.before == "in" or not _OPERAND_END.search(token.before)):
        return "A name can't begin with a dot. Take the dot away."
    if not token.is_value or token.text in _KEYWORDS:
        return None
    if token.after[0] == "{":
        return f"{token.text}{{...}} builds a message, and a filter has none. Use {{'key': value}}."
    return _refuse_name(token)


def _refuse_name(token: Token) -> str | None:
    if token.text == token.bound or token.text in SHORT | _TYPES:
        return None
    if token.text not in VARIABLES:
        return f"There is no variable {token.text}. Known are: {', '.join(sorted(VARIABLES))}."
    if token.bound is None:
        return None
    return (
        f"{token.text} can't be used inside a loop, which would read it once per item. "
        f"Use {token.bound}, or one of {', '.join(sorted(SHORT))}."
    )


def _refuse_total(tokens: list[Token]) -> Problem | None:
    loops = [token for token in tokens if token.is_call and token.text in _LOOPS]
    looped = [token for token in tokens if token.bound is not None]
    long = [token for token in tokens if token.is_value and token.text in LONG]
    plus = [token for token in tokens if token.text == "+"]
    for found, limit, message in (
        (loops, MAX_LOOPS, f"Use at most {MAX_LOOPS} loops (all, exists, exists_one)."),
        (looped, MAX_LOOP_WORDS, f"Loops hold at most {MAX_LOOP_WORDS} words and signs: say less."),
        (long, MAX_MENTIONS, f"Name data and extensions at most {MAX_MENTIONS} times."),
        (plus, MAX_PLUS, f"Use + at most {MAX_PLUS} times."),
    ):
        if len(found) > limit:
            return Problem(message, found[limit].start)
    return _refuse_regexes(tokens)


def _refuse_regexes(tokens: list[Token]) -> Problem | None:
    calls = [token for token in tokens if token.is_call and token.text == "matches"]
    sizes = accumulate(regex_size(cel.compile(call.after[1]).execute()) for call in calls)
    for call, size in zip(calls, sizes, strict=True):
        if size > MAX_REGEX:
            message = "The regular expressions are too big: repeat less, and use [a-z] for \\w."
            return Problem(message, call.start)
    return None


def regex_size(pattern: str) -> int:
    """Bound from above what compiling and running a regular expression costs, in plain characters.

    Counted repetitions are unrolled by the engine, and a Unicode class compiles to hundreds of
    states (255 us for a \\w, 20 to 60 us for a \\d, under 5 us for the rest).
    """
    escapes = re.findall(r"\\(.)", pattern, re.DOTALL)
    bare = re.sub(r"\\(?:[xuUpP]\{[^}]*\}|.)", "e", pattern, flags=re.DOTALL)
    costs = [30 if escape in "wWpP" else 5 if escape in "dD" else 1 for escape in escapes]
    # With the flag x, spaces and comments may part a group from its count.
    spaced = re.search(r"\(\?[a-zA-Z-]*x", bare) is not None
    atoms, groups = 0, 1
    for match in re.finditer(r"\{([^{}]*)", bare):
        count = max((int(digits) for digits in re.findall(r"[0-9]+", match[1])), default=1)
        if spaced or bare[: match.start()].endswith((")", "}", "?", "*", "+")):
            groups *= max(count, 1)
        else:
            atoms += count
    return (len(bare) + sum(costs) + atoms * max(costs, default=1)) * groups
