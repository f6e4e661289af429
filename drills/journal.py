"""Journals of what was seen outside the system: a line of JSON each, kept on the disk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BATCH = 0.1
"""Seconds of lines that one fsync is for: one each would slow down what is measured."""


class Journal:
    """Written line by line by one process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._synced = time.monotonic()

    def write(self, line: Mapping[str, Any]) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")
        if time.monotonic() - self._synced > BATCH:
            self._sync()

    def close(self) -> None:
        self._sync()
        os.close(self._file)

    def _sync(self) -> None:
        os.fsync(self._file)
        self._synced = time.monotonic()


def read_journal(path: Path, *, start: int = 0) -> list[dict[str, Any]]:
    """The lines of a journal from a byte on; a last line that was cut is left out."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().splitlines()
    return [json.loads(line) for line in lines if line.endswith(b"}")]
