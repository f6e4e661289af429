"""Drills the running system, or keeps what other drills saw: `manage.py drill --safe`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.drilling import CannotDrill, SafeDrill, drill, prepare
from monitoring.models import Drill
from monitoring.models.drill import MAKE
from monitoring.safe_drills import DRILLS

WHERE = (
    "Only safe drills run against a live system: pass --safe. "
    "`make drill` runs the others, on a stack of its own."
)


class Command(BaseCommand):
    help = "Runs harmless drills against this system and stores what was seen; 1 if one failed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--safe", action="store_true", help="harmless ones; there are no others"
        )
        parser.add_argument("--store", type=Path, help="what make drill --keep wrote")
        parser.add_argument("--only", default="", help="drills whose name holds this text")

    def handle(
        self, *_args: Any, safe: bool, only: str, store: Path | None, **_options: Any
    ) -> None:
        if store is not None:
            self.stdout.write(f"Kept: {_store(store)}.")
            return
        chosen = [one for one in DRILLS if only in one.name]
        if not safe:
            raise CommandError(WHERE)
        if not chosen:
            raise CommandError(f"No drill is named like {only!r}.")
        try:
            for words in prepare():
                self.stdout.write(words)
            rows = [self._run(one) for one in chosen]
        except CannotDrill as reason:
            raise CommandError(str(reason)) from None
        if not all(row.held for row in rows):
            sys.exit(1)

    def _run(self, one: SafeDrill) -> Drill:
        row = drill(one)
        verdict = "held" if row.held else "BROKEN"
        self.stdout.write(f"{verdict:8}{row.name:22}{row.seconds:6.1f} s  {row.seen}")
        return row


def _store(path: Path) -> int:
    """Keeps the drills of a stack of its own that were run; gives how many."""
    rows = [
        Drill(
            name=one["fault"],
            expected=one["expected"],
            seen="; ".join((one["seen"], *one["broken"])),
            held=not one["broken"],
            seconds=round(one["recovered"], 3),
            by=MAKE,
        )
        for one in json.loads(path.read_text())
        if not one["not_run"]
    ]
    return len(Drill.objects.bulk_create(rows))
