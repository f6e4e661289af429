"""Decisions: values in, a value out. No framework, clock, dice or socket."""

from __future__ import annotations
