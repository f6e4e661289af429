"""Docs that say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from events.rules.states import TRANSITIONS, BreakerState, DeliveryState

DOCS = Path(__file__).parents[2] / "docs"
ARROW = re.compile(r"^    (\w+) --> (\w+)", re.MULTILINE)


def charts() -> list[set[tuple[str, str]]]:
    """The arrows of each chart of docs/lifecycle.md, without its ends."""
    parts = (DOCS / "lifecycle.md").read_text().split("```mermaid")[1:]
    return [set(ARROW.findall(part.split("```")[0])) for part in parts]


def test_the_chart_of_a_delivery_is_that_of_the_rules() -> None:
    allowed = {(str(a), str(b)) for a, ends in TRANSITIONS.items() for b in ends}

    assert charts()[0] == allowed


def test_every_state_of_a_breaker_is_on_its_chart() -> None:
    named = {state for arrow in charts()[1] for state in arrow}

    assert named == set(BreakerState)


def test_every_state_of_a_delivery_is_in_the_glossary() -> None:
    glossary = (DOCS / "glossary.md").read_text()

    assert all(state.replace("_", " ") in glossary for state in DeliveryState)


@pytest.mark.parametrize("path", sorted((DOCS / "adr").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_is_short_and_has_its_three_parts(path: Path) -> None:
    text = path.read_text()

    assert len(text.splitlines()) < 40
    assert all(f"## {part}" in text for part in ("Context", "Decision", "Consequence"))


def test_links_between_the_docs_lead_somewhere() -> None:
    root = DOCS.parent
    for page in [root / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
