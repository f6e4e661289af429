"""What is wrong on our side: sampler, ledger, processes, load, disk, retention."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now

from events import jobs
from events.models import LoadLevel
from events.models.process import Role
from events.rules.load import LIMITS, Level
from monitoring.models import Kind, Sample, Side
from monitoring.processes import Process, not_well, processes
from monitoring.seen import Seen

LATE = 15.0
"""Seconds that due work may wait while no worker is heard of."""

RECENT = timedelta(minutes=1)

STALE = timedelta(seconds=30)
"""A sample is taken every second, every five under the worst load: an older one says nothing."""

RETENTION = "events.retain"


def ours() -> Iterable[Seen]:
    """Everything that is wrong on our side now."""
    found = processes()
    yield from not_well(found)
    yield from _looping()
    yield from _sampled(found)
    yield from _load()
    if days := jobs.state_of(RETENTION).get("waits"):
        words = (
            f"{len(days)} days that are over are still kept, the oldest {days[0]}: "
            "something unfinished needs them."
        )
        yield Seen(Kind.RETENTION, "", Side.OURS, words, "/deliveries/?state=pending")


def _looping() -> Iterable[Seen]:
    """What the supervisor of this machine says in its folder: `name=how it ended` a line."""
    try:
        said = (Path(settings.REDRIVE_DATA_DIR) / "loops").read_text()
    except OSError:
        return
    for line in said.splitlines():
        name, _, end = line.partition("=")
        words = f"{name} cannot stay up, it {end} again and again: it is tried every five minutes."
        yield Seen(Kind.CRASH_LOOP, name, Side.OURS, words, "/health/")


def _sampled(found: list[Process]) -> Iterable[Seen]:
    """What the newest sample tells; an old one is a finding itself, and nothing else is known."""
    sample = Sample.objects.newest()
    if sample is None:
        return
    if not Sample.objects.filter(pk=sample.pk, at__gt=Now() - STALE).exists():
        words = f"Nothing was sampled since {sample.at:%H:%M:%S} UTC: what the pages show is old."
        yield Seen(Kind.SAMPLER, "", Side.OURS, words, "/health/")
        return
    if sample.unaccounted:
        words = f"The ledger does not agree with the deliveries: {sample.unaccounted:,} differ."
        yield Seen(Kind.LEDGER, "", Side.OURS, words, "/#ledger")
    workers = any(one.beat.role == Role.WORKER and one.state != "gone" for one in found)
    if (sample.oldest or 0.0) > LATE and not workers:
        words = f"Nothing delivers: {sample.due:,} deliveries are due and no worker is heard of."
        yield Seen(Kind.PROCESS, "worker", Side.OURS, words, "/health/")
    faults = Sample.objects.ticks().filter(at__gte=sample.at - RECENT).aggregate(n=Sum("ours"))
    if faults["n"]:
        words = "Attempts fail on our side: name resolver, blocked addresses, or file handles."
        yield Seen(Kind.OUR_FAULT, "", Side.OURS, words, "/deliveries/?fault=ours")


def _load() -> Iterable[Seen]:
    load = LoadLevel.objects.in_force()
    if load.steps:
        full = ["the disk is nearly full"] if load.disk_full else []
        why = "; ".join([*full, *load.reasons]) or "it is falling"
        words = f"The load is {load.level}: {why}."
        yield Seen(Kind.LEVEL, "", Side.OURS, words, "/health/")
    free = load.measures.get("disk_free")
    if free is not None and free < (LIMITS[Level.BUSY].enter.disk_free or 0.0):
        words = f"{free:.0%} of the database's disk is free; below 4 % publishes are refused."
        yield Seen(Kind.DISK, "", Side.OURS, words, "/health/")
