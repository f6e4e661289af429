"""Template filters of the engine's pages."""

from __future__ import annotations
