"""The other side of drills/auditor.py: runs where Django is set up, in the stack's environment."""

from __future__ import annotations

import json
import sys

from django.db import OperationalError, connection

from monitoring import laws


def serve() -> None:
    """One list of broken laws for every line, until there are no more lines."""
    for _ in sys.stdin:
        sys.stdout.write(json.dumps(_broken()) + "\n")
        sys.stdout.flush()


def _broken() -> list[str]:
    """Tries again once: a fault may have cut the connection that lay in the pool."""
    try:
        return _judged()
    except OperationalError:
        return _judged()


def _judged() -> list[str]:
    try:
        return [
            f"{one.law}: {one.broken:,}, such as {'; '.join(one.examples)}"
            for one in laws.judge()
            if one.broken
        ]
    finally:
        connection.close()
