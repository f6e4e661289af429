"""`manage.py audit` as often as it is wanted, without a start of Django for each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from drills.laws import SHOWN

COMMAND = "from drills.judging import serve; serve()"


class Auditor:
    """A process that judges for every line it reads, while the context lasts."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._environ = {**os.environ, **settings}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", COMMAND],
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=10)

    def broken(self) -> list[str]:
        """What breaks a law that the product itself knows."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the auditor has no pipes")
        # It may have ended in an earlier drill: the pipe breaks then.
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            return ["manage.py audit ended early"]
        return [f"manage.py audit: {words}" for words in json.loads(answer)[:SHOWN]]
