"""The tables of dead letters and replays."""

from __future__ import annotations

from dlq.models.dead_letter import DeadLetter, LetterState, Signature
from dlq.models.death_hour import DeathHour
from dlq.models.letter_job import JobState, LetterJob, LetterVerb
from dlq.models.replay import Replay, ReplayState
from dlq.models.replay_skip import ReplaySkip, SkipReason

__all__ = [
    "DeadLetter",
    "DeathHour",
    "JobState",
    "LetterJob",
    "LetterState",
    "LetterVerb",
    "Replay",
    "ReplaySkip",
    "ReplayState",
    "Signature",
    "SkipReason",
]
