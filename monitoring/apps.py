"""Monitoring: health, depth, ledger, samples and alerts; it reads the other apps."""

from __future__ import annotations

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from events import hooks
        from monitoring.hints import hints

        hooks.on_change.append(hints.hear)
