"""The quick drills: faults on real processes under load, audited by journals on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.drill import QUICK_LOAD, Drill, Fault
from drills.faults import QUICK
from drills.rig import Rig


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """One stack for all of them: each audit covers what the earlier ones accepted, too."""
    folder: Path = tmp_path_factory.mktemp("drill", numbered=True)
    with Rig(folder) as rig:
        yield Drill(rig)


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_nothing_accepted_is_lost_and_every_law_holds_after(fault: Fault, drill: Drill) -> None:
    outcome = drill.run(fault, seconds=QUICK_LOAD)

    if outcome.not_run:
        pytest.skip(outcome.not_run)
    assert outcome.accepted > 0
    assert outcome.broken == ()
