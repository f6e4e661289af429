"""The pages of dead letters and replays."""

from __future__ import annotations
