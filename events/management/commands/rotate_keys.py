"""Encrypts all secrets at rest anew, so that older keys may be taken out of REDRIVE_SECRET_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events.rotation import rotate_keys


class Command(BaseCommand):
    help = (
        "Encrypts every stored secret with the first of REDRIVE_SECRET_KEYS. Run it once all "
        "processes were started with the new key in front; it may run beside them."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        done = rotate_keys(actor="command line")
        self.stdout.write(f"{done.values} values were encrypted with the first key.")
        if done.unreadable:
            raise CommandError(
                "None of REDRIVE_SECRET_KEYS opens the secrets of "
                f"{', '.join(done.unreadable)}. Put the key that does back behind the first one "
                "and run this again, or rotate their signing secret and set their headers and "
                "credentials anew."
            )
        self.stdout.write("No value needs an older key: those may be removed now.")
