"""When the safe drills run by themselves, or because somebody asked on the console.

A job of the dispatcher looks every few seconds; what it keeps in its row says who asked, and until
when a run that was begun is taken to be under way.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from events import jobs
from events.audit import note
from monitoring.drilling import drill_all
from monitoring.models import Drill
from monitoring.safe_drills import DRILLS

JOB = "monitoring.drill"

AT_MOST = timedelta(minutes=10)
"""A run that began longer ago died with its process."""


@transaction.atomic
def ask(*, actor: str) -> bool:
    """Has them run within seconds; False if they run already."""
    if is_running():
        return False
    jobs.remember(JOB, {"asked_by": actor})
    before, after = {"state": "idle"}, {"state": "asked for", "drills": len(DRILLS)}
    note(actor, "drill", "safe drills", before=before, after=after)
    return True


def is_running() -> bool:
    """Whether a run is under way."""
    until = jobs.state_of(JOB).get("until")
    return until is not None and datetime.fromisoformat(until) > timezone.now()


def next_run() -> datetime | None:
    """When the schedule has them run; None without one."""
    hours = settings.REDRIVE_SAFE_DRILL_HOURS
    if not hours:
        return None
    last = Drill.objects.here().newest_first().values_list("started_at", flat=True).first()
    return last + timedelta(hours=hours) if last else timezone.now()


def run_due() -> None:
    """Runs them if somebody asked or their time has come."""
    if is_running():
        return
    by = jobs.state_of(JOB).get("asked_by", "") or _by_schedule()
    if not by:
        return
    jobs.remember(JOB, {"until": (timezone.now() + AT_MOST).isoformat()})
    try:
        drill_all(DRILLS, by=by)
    finally:
        jobs.remember(JOB, {})


def _by_schedule() -> str:
    due = next_run()
    return "schedule" if due is not None and due <= timezone.now() else ""
