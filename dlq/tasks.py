"""The periodic jobs of this app."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db.models.functions import Now

from dlq.clear import run_all
from dlq.models import DeathHour, Replay
from dlq.replay import step
from dlq.skip import forget_skips

FORGOTTEN = timedelta(days=2)
"""The age at which the count of an hour is of no use any more."""


@shared_task(name="dlq.replay")
def replay_running() -> None:
    """Takes every running replay a little further."""
    for replay in Replay.objects.running().values_list("id", flat=True):
        while step(replay):
            pass


@shared_task(name="dlq.clear")
def run_letter_jobs() -> None:
    """Takes every running discard and restore a little further."""
    run_all()


@shared_task(name="dlq.forget")
def forget_old() -> None:
    """Drops the hourly counts of groups that nobody is shown, and what old replays left out."""
    DeathHour.objects.filter(hour__lt=Now() - FORGOTTEN).delete()
    forget_skips()
