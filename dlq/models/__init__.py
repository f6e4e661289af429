"""The tables of dead letters and replays."""

from __future__ import annotations

from dlq.models.dead_letter import DeadLetter, LetterState, Signature
from dlq.models.replay import Replay, ReplayState

__all__ = ["DeadLetter", "LetterState", "Replay", "ReplayState", "Signature"]
