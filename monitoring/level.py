"""The load level, and which publishes are refused at it."""

from __future__ import annotations

from collections.abc import Sequence

from events.problems import Problem
from events.publish import NewEvent


def shed(events: Sequence[NewEvent]) -> Problem | None:
    """The refusal of a publish at the present load; None to accept it."""
    del events
    return None
