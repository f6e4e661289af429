"""A pytest plugin for mutation testing: the tests that judge the rules, deterministic and quick.

It goes with `--noconftest`: these tests need neither Django nor servers, so a mutant costs the
import of nothing. Which tests judge is read from their imports, so that a new one needs no list.
"""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import Phase, settings

_OF_RULES = re.compile(r"^from (events|dlq)(\.rules| import rules)", re.MULTILINE)

# A verdict must be the same each night: no dice, no memory of earlier runs, no deadline that a busy
# machine misses. Nobody reads the example that killed a mutant, so none is made small.
settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("mutants")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if collection_path.suffix != ".py":
        return None
    return True if _OF_RULES.search(collection_path.read_text()) is None else None
