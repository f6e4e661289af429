"""The other side of drills/auditor.py: runs where Django is set up, in the stack's environment."""

from __future__ import annotations

import json
import sys

from django.db import connection

from monitoring import laws


def serve() -> None:
    """One list of broken laws for every line, until there are no more lines."""
    # A fault may cut what lies in a pool: each time there is a connection of its own.
    connection.settings_dict["OPTIONS"].pop("pool", None)
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(_broken()) + "\n")
        sys.stdout.flush()


def _broken() -> list[str]:
    try:
        return [
            f"{one.law}: {one.broken:,}, such as {'; '.join(one.examples)}"
            for one in laws.judge()
            if one.broken
        ]
    finally:
        connection.close()
