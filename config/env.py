"""The environment, read once: typed, with its default and its meaning beside it.

Every variable is declared here, so docs/settings.md can be held in step with `DECLARED`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.fernet import Fernet

from events.rules.addresses import Network, parse_networks

T = TypeVar("T")


class Misconfigured(SystemExit):
    """A variable cannot be used: the process ends with one sentence that says what to do."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")


@dataclass(frozen=True, slots=True)
class Declared:
    """A variable as the docs show it."""

    name: str
    default: str
    meaning: str


DECLARED: dict[str, Declared] = {}


def _read(name: str, default: str, meaning: str, parse: Callable[[str], T]) -> T:
    DECLARED[name] = Declared(name, default, meaning)
    text = os.environ.get(name, "").strip() or default
    try:
        return parse(text)
    except ValueError as error:
        raise Misconfigured(name, f"{error} It is {text!r} now.") from None


def text(name: str, default: str, meaning: str) -> str:
    """Any text; an empty variable counts as absent."""
    return _read(name, default, meaning, str)


def secret(name: str, meaning: str) -> str:
    """A text that must be set, and is never shown."""
    DECLARED[name] = Declared(name, "none: it must be set", meaning)
    value = os.environ.get(name, "").strip()
    if not value:
        raise Misconfigured(name, f"set it: {meaning} `make up` makes one at its first start.")
    return value


def fernet_keys(name: str, meaning: str) -> tuple[str, ...]:
    """Keys between commas, never shown; a wrong one would be found when a secret is needed."""
    keys = tuple(key.strip() for key in secret(name, meaning).split(","))
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise Misconfigured(
                name,
                f"key {number} of {len(keys)} is no Fernet key, which is 32 bytes in URL-safe "
                "base64. `openssl rand -base64 32 | tr +/ -_` makes one.",
            ) from None
    return keys


def items(name: str, default: str, meaning: str) -> list[str]:
    """Texts between commas."""
    return _read(name, default, meaning, lambda t: [i.strip() for i in t.split(",") if i.strip()])


def integer(name: str, default: int, meaning: str, *, least: int = 0) -> int:
    def parse(value: str) -> int:
        if not value.lstrip("-").isdigit() or int(value) < least:
            raise ValueError(f"write a whole number of at least {least}.")
        return int(value)

    return _read(name, str(default), meaning, parse)


def number(name: str, default: float, meaning: str, *, above: float = 0.0) -> float:
    def parse(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = float("nan")
        if not above < found < float("inf"):
            raise ValueError(f"write a number above {above:g}.")
        return found

    return _read(name, f"{default:g}", meaning, parse)


def boolean(name: str, *, default: bool, meaning: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

    def parse(value: str) -> bool:
        if value.lower() not in words:
            raise ValueError("write true or false.")
        return words[value.lower()]

    return _read(name, "true" if default else "false", meaning, parse)


def choice(name: str, default: str, meaning: str, *, of: tuple[str, ...]) -> str:
    def parse(value: str) -> str:
        if value not in of:
            raise ValueError(f"write one of {', '.join(of)}.")
        return value

    return _read(name, default, meaning, parse)


def networks(name: str, default: str, meaning: str) -> tuple[Network, ...]:
    """Networks in CIDR form between commas or spaces."""
    return _read(name, default, meaning, parse_networks)
