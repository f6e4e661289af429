"""Holds the database to its laws: `manage.py audit`."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from monitoring import laws


class Command(BaseCommand):
    help = "Checks every law that the database alone can break; exits with 1 if one is broken."

    def handle(self, *_args: Any, **_options: Any) -> None:
        judged = laws.judge()
        for one in judged:
            self.stdout.write(_line(one))
        if broken := sum(one.broken > 0 for one in judged):
            self.stderr.write(f"{broken} of {len(judged)} laws are broken: docs/runbook.md")
            sys.exit(1)


def _line(one: laws.Judged) -> str:
    if not one.broken:
        return f"ok      {one.law}"
    examples = "".join(f"\n          {words}" for words in one.examples)
    return f"BROKEN  {one.law}: {one.broken:,}, such as{examples}"
