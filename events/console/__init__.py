"""The pages of the engine: events, subscriptions, deliveries, keys, people, audit, search."""

from __future__ import annotations
