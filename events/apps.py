"""Events: what was published, to whom it is owed, and the engine that delivers it."""

from __future__ import annotations

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
