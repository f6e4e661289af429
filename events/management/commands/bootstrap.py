"""What a new installation needs before its first event: partitions, a user, an API key."""

from __future__ import annotations

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from events.engine.retention import make_partitions
from events.keys import create_key
from events.models import ApiKey
from events.models.access import Scope


class Command(BaseCommand):
    help = (
        "Makes the partitions of the days ahead and, where there is none yet, the user `admin` "
        "(REDRIVE_ADMIN_PASSWORD) and an API key with all scopes (REDRIVE_BOOTSTRAP_API_KEY)."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        make_partitions(timezone.now().date())
        password = os.environ.get("REDRIVE_ADMIN_PASSWORD")
        users = get_user_model().objects
        if password and not users.exists():
            users.create_superuser("admin", password=password)
        text = os.environ.get("REDRIVE_BOOTSTRAP_API_KEY")
        if text and not ApiKey.objects.exists():
            try:
                create_key(text=text, name="bootstrap", scopes=list(Scope), tenant=None)
            except ValueError as error:
                raise CommandError(f"REDRIVE_BOOTSTRAP_API_KEY: {error}.") from None
