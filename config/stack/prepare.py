"""Brings the tables, the first user and key, and the files for browsers up to date.

In one process before all others, since starting Django is most of what it costs.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import django
from django import db
from django.core.management import CommandError, call_command


def prepare() -> None:
    quiet: dict[str, Any] = {"verbosity": 0, "interactive": False}
    call_command("migrate", **quiet)
    call_command("bootstrap")
    call_command("collectstatic", **quiet)


def main() -> None:
    """The last line that a failure prints is the sentence for the person."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    try:
        prepare()
    except (CommandError, db.Error) as error:
        sys.exit(f"The database cannot be prepared: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
