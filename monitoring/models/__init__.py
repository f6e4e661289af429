"""The tables of monitoring: samples, the health of lanes, findings, drills."""

from __future__ import annotations

from monitoring.models.drill import Drill
from monitoring.models.finding import Finding, Kind, Side
from monitoring.models.lane import LaneQuarter
from monitoring.models.sample import Sample

__all__ = ["Drill", "Finding", "Kind", "LaneQuarter", "Sample", "Side"]
