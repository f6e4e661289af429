"""What a first start makes: the keys of the installation, a password and an API key.

They are kept as NAME=value lines in a file that only its owner can read. What the environment
sets is used at a first start instead, and kept too: secrets at rest stay readable without it.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from config.stack.failures import CannotStart
from config.stack.folder import read_values, write_values

PASSWORD = "REDRIVE_ADMIN_PASSWORD"  # noqa: S105 - the variable's name
API_KEY = "REDRIVE_BOOTSTRAP_API_KEY"
FIRST_START_ONLY = (PASSWORD, API_KEY)

API_KEY_FORM = r"rdk_[a-z0-9]{8}_[A-Za-z0-9_-]{32,128}"
_LOOKUP = string.ascii_lowercase + string.digits


def _api_key() -> str:
    lookup = "".join(secrets.choice(_LOOKUP) for _ in range(8))
    return f"rdk_{lookup}_{secrets.token_urlsafe(32)}"


MADE: dict[str, Callable[[], str]] = {
    PASSWORD: lambda: secrets.token_urlsafe(15),
    API_KEY: _api_key,
    "REDRIVE_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "REDRIVE_SECRET_KEYS": lambda: Fernet.generate_key().decode(),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """By variable name; `new` when this start made the file, `made` are those it made itself."""

    values: Mapping[str, str]
    new: bool
    made: frozenset[str]

    @property
    def for_all(self) -> dict[str, str]:
        """What every process needs."""
        return {name: text for name, text in self.values.items() if name not in FIRST_START_ONLY}

    @property
    def for_first_start(self) -> dict[str, str]:
        """What the bootstrap and the demo need beside that, and no other process."""
        return {name: self.values[name] for name in FIRST_START_ONLY}


def credentials(path: Path, environ: Mapping[str, str]) -> Credentials:
    """Reads the file, or makes it; the environment's installation keys win over the file's.

    Raises CannotStart before a first start keeps an API key that cannot be one.
    """
    kept = read_values(path)
    given = {name: environ[name].strip() for name in MADE if environ.get(name, "").strip()}
    values = {name: kept.get(name) or given.get(name) or make() for name, make in MADE.items()}
    if not re.fullmatch(API_KEY_FORM, values[API_KEY]):
        raise CannotStart(
            f"{API_KEY}: write rdk_, eight lower-case letters or digits, _ and at least 32 "
            "letters, digits, - or _."
        )
    if values != kept:
        write_values(path, values)
    keys = {name: text for name, text in given.items() if name not in FIRST_START_ONLY}
    made = frozenset(MADE) - kept.keys() - given.keys()
    return Credentials(values | keys, new=not kept, made=made)
