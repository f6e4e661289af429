"""Makes an API key and prints it, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from events.audit import note
from events.keys import create_key, new_key
from events.models.access import Scope


class Command(BaseCommand):
    help = "Makes an API key and prints it: it is not stored and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="Who will use it, such as the producer's name.")
        parser.add_argument(
            "--scope", action="append", choices=list(Scope), help="Repeat it. Default: publish."
        )
        parser.add_argument("--tenant", help="Restricts the key to one tenant.")

    def handle(self, *_args: Any, **options: Any) -> None:
        text, scopes = new_key(), options["scope"] or [Scope.PUBLISH]
        key = create_key(text=text, name=options["name"], scopes=scopes, tenant=options["tenant"])
        note("command line", "create-key", f"rdk_{key.lookup}", tenant=key.tenant)
        self.stdout.write(text)
