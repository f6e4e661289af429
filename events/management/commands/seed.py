"""Fills the database for measuring: a million events in a minute, with nothing left to send."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from events.engine import retention
from events.seeding import SPREAD, Wanted, seed


class Command(BaseCommand):
    help = (
        "Adds made-up events with a finished delivery and an attempt each, and dead letters, "
        "spread over the last day. For measuring only: nothing takes them out again but retention."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=int, required=True, help="How many events.")
        parser.add_argument("--dead", type=int, default=0, help="How many of them died.")
        parser.add_argument("--yes", action="store_true", help="Yes, into this database.")

    def handle(self, *_args: Any, **options: Any) -> None:
        events, dead = options["events"], options["dead"]
        if not 0 <= dead <= events or events < 1:
            raise CommandError("--events is at least 1, --dead from 0 to as many.")
        if not options["yes"]:
            name = connection.settings_dict["NAME"]
            raise CommandError(f"This fills the database {name} with made-up rows: add --yes.")
        began, now = time.monotonic(), timezone.now()
        start = now - SPREAD
        retention.make_partitions(start.date())
        for done in seed(Wanted(events, dead, start)):
            self.stdout.write(f"{done:,} of {events:,} events")
        with connection.cursor() as cursor:
            # As after some minutes of use: so many rows at once are ahead of the autovacuum.
            cursor.execute("VACUUM (ANALYZE)")
        took = time.monotonic() - began
        self.stdout.write(
            f"Made {events:,} events, as many deliveries and attempts, and {dead:,} dead letters "
            f"in {took:.1f} s."
        )
