"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence

from drills.drill import Outcome
from drills.laws import Ledger

HEAD = ("fault", "what happened", "recovered", "ledger", "receivers saw")


def line(outcome: Outcome) -> str:
    """What is printed as soon as a drill is over: the seconds to recover, and all of it."""
    verdict = "not run" if outcome.not_run else "BROKEN" if outcome.broken else "held"
    seen = outcome.not_run or outcome.seen
    first = (
        f"{verdict:8}{outcome.fault:34}{outcome.recovered:6.1f} s  {outcome.took:6.1f} s  {seen}"
    )
    return "\n".join([first, *(f"        BROKEN LAW: {words}" for words in outcome.broken)])


def table(outcomes: Sequence[Outcome]) -> str:
    """All of them as a Markdown table."""
    rows = [HEAD, ("---",) * len(HEAD), *map(_cells, outcomes)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    if outcome.not_run:
        return outcome.fault, f"not run: {outcome.not_run}", "", "", ""
    seen = "; ".join((outcome.seen, *(f"**BROKEN**: {words}" for words in outcome.broken)))
    repeated = f"repeats {outcome.repeats:,}, explained {outcome.explained:,}"
    if outcome.at_risk:
        repeated += f" ({outcome.at_risk:,} in flight where it was killed)"
    return (
        outcome.fault,
        seen.replace("|", "/"),
        f"{outcome.recovered:.1f} s",
        _change(outcome.before, outcome.after),
        f"{outcome.received:,} requests, {repeated}",
    )


def _change(before: Ledger, after: Ledger) -> str:
    """Each sum of the ledger that moved, and what is owed."""
    parts = []
    for name in ("created", "delivered", "dead", "cancelled", "owed"):
        was, now = getattr(before, name), getattr(after, name)
        if was != now or name == "owed":
            parts.append(f"{name} {was:,} → {now:,}")
    return ", ".join(parts)
