"""Why the stack cannot start, in one sentence that says what to do."""

from __future__ import annotations


class CannotStart(Exception):
    """Its text goes to standard error, and the exit code is 1."""
