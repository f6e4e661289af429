"""The settings in force: read-only, and without what is secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings

MASK = "••••••"
_SECRET = ("SECRET", "PASSWORD", "BOOTSTRAP", "TOKEN")


@dataclass(frozen=True, slots=True)
class Setting:
    """`value` is what is in force, `given` whether the environment says it."""

    name: str
    value: str
    default: str
    meaning: str
    given: bool


def in_force(environment: Mapping[str, str] = os.environ) -> list[Setting]:
    """Every declared variable, in the order of its declaration."""
    found = []
    for name, declared in settings.REDRIVE_DECLARED.items():
        given = environment.get(name, "").strip()
        value = masked(name, given or declared.default)
        found.append(Setting(name, value, declared.default, declared.meaning, bool(given)))
    return found


def masked(name: str, value: str) -> str:
    """A secret as dots; a URL without its password."""
    if any(word in name for word in _SECRET):
        return MASK
    parts = urlsplit(value)
    if parts.password is None:
        return value
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{MASK}@{host}"))
