"""The ledger that is shown sums at every tick, however seldom what is owed can be counted."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from monitoring import samples
from monitoring.depth import Depth, LaneDepth, Totals
from monitoring.models import Sample

NOW = datetime(2026, 1, 1, tzinfo=UTC)
counts = st.integers(0, 10**9)
totals = st.builds(Totals, counts, counts, counts, counts)
lanes = st.builds(LaneDepth, st.just(UUID(int=1)), counts, counts, counts, st.none(), st.booleans())
looks = st.builds(Depth, totals, st.lists(lanes, max_size=3), st.just(1.0))


@given(looks, st.lists(totals, max_size=4))
def test_the_terms_that_are_shown_sum_at_every_tick(look: Depth, later: list[Totals]) -> None:
    sample = Sample(at=NOW, **samples._counted(look, NOW))
    agrees(sample)
    for moved in later:
        before, sample = sample, Sample(at=NOW, **samples._carried(sample, moved))
        agrees(sample)
        for term in ("parked", "waiting", "in_flight"):
            assert 0 <= getattr(sample, term) <= getattr(before, term)


def agrees(sample: Sample) -> None:
    """Both sides of the equation, as the overview has them."""
    ledger = Totals(**sample.totals["ledger"])
    ended = ledger.delivered + ledger.dead + ledger.cancelled
    assert sample.unaccounted is not None
    assert ledger.created == ended + sample.owed + sample.unaccounted
    assert sample.due >= 0
    assert sample.checked_at == NOW
