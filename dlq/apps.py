"""Dead letters: what could not be delivered, grouped with what failed alike, and its replay."""

from __future__ import annotations

from django.apps import AppConfig


class DlqConfig(AppConfig):
    name = "dlq"

    def ready(self) -> None:
        from dlq.bury import bury
        from events import hooks

        hooks.on_dead.append(bury)
