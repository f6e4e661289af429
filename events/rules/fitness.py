"""Whether a process that sends is fit to: one that is not takes itself out and says why."""

from __future__ import annotations

from dataclasses import dataclass

CLOCK_OFF = 60.0
"""Seconds between this host's clock and PostgreSQL's. Receivers refuse older signatures."""

HANDLES_LEFT = 32
"""File handles below which a send, a name look-up or a statement may find none."""

STALLED = 60.0
"""Seconds that an event loop may not turn before its process is ended."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """`clock_offset` is PostgreSQL's clock less ours, in seconds; `handles_left` None is no limit.

    `still` is for how many seconds the loop has not turned, 0 if it is not running. `round_trip`
    is the seconds of a statement that does nothing, `memory` is in bytes.
    """

    clock_offset: float = 0.0
    handles_left: int | None = None
    still: float = 0.0
    round_trip: float = 0.0
    memory: int = 0


def unfit(vitals: Vitals) -> str:
    """Why the process must not claim work; empty if it may."""
    if abs(vitals.clock_offset) > CLOCK_OFF:
        ahead = "behind" if vitals.clock_offset > 0 else "ahead of"
        return f"its clock is {abs(vitals.clock_offset):,.0f} s {ahead} PostgreSQL's"
    if vitals.handles_left is not None and vitals.handles_left < HANDLES_LEFT:
        return f"it has {max(0, vitals.handles_left)} file handles left"
    return ""


def sends_at_most(vitals: Vitals, *, in_flight: int, most: int) -> int:
    """How many sends may be open together, each with its handle, of at most `most`."""
    if vitals.handles_left is None:
        return most
    return max(0, min(most, in_flight + vitals.handles_left - HANDLES_LEFT))


def is_stalled(vitals: Vitals) -> bool:
    """Whether the loop has stood still for so long that only a new process helps."""
    return vitals.still > STALLED
