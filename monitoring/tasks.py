"""The periodic jobs of this app."""

from __future__ import annotations

from celery import shared_task

from monitoring import drill_schedule, findings, lanes, parts, reconcile, report, samples, tick


@shared_task(name="monitoring.sample")
def sample() -> None:
    """Looks at everything once and shows it to whoever is watching."""
    tick.tick()


@shared_task(name="monitoring.findings")
def judge_findings() -> None:
    """Says what is wrong now."""
    findings.judge()


@shared_task(name="monitoring.lanes")
def add_up_lanes() -> None:
    """Adds what ended lately to the health of its lanes."""
    lanes.add_up()


@shared_task(name="monitoring.keep")
def keep_samples() -> None:
    """Sums old seconds to minutes and drops what is older than is kept."""
    samples.keep()


@shared_task(name=parts.JOB)
def watch_parts() -> None:
    """Measures the servers and keeps since when each is as it is."""
    parts.watch()


@shared_task(name=report.JOB)
def reconcile_tables() -> None:
    """Looks for what must not be and mends what is safe to mend."""
    reconcile.reconcile()


@shared_task(name=drill_schedule.JOB)
def run_safe_drills() -> None:
    """Breaks small things on purpose when it is time to, to see that recovery works."""
    drill_schedule.run_due()
