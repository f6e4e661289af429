"""The periodic job of this app."""

from __future__ import annotations

from celery import shared_task

from dlq.models import Replay
from dlq.replay import step


@shared_task(name="dlq.replay")
def replay_running() -> None:
    """Takes every running replay a little further."""
    for replay in Replay.objects.running().values_list("id", flat=True):
        while step(replay):
            pass
