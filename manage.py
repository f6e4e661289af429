"""Django's command line; without DATABASE_URL it works on what `make up` runs here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

from config.stack.folder import read_values

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not os.environ.get("DATABASE_URL"):
        os.environ |= read_values(
            Path(os.environ.get("REDRIVE_DATA_DIR", ".redrive"), "environment")
        )
    execute_from_command_line(sys.argv)
