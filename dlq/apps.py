"""Dead letters: what could not be delivered, grouped with what failed alike, and its replay."""

from __future__ import annotations

from django.apps import AppConfig


class DlqConfig(AppConfig):
    name = "dlq"

    def ready(self) -> None:
        from dlq.bury import bury
        from dlq.replay import is_running
        from events import hooks

        hooks.on_dead.append(bury)
        hooks.still_needed.append(is_running)
