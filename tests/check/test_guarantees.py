"""docs/guarantees.md and docs/runbook.md name things that exist, and leave nothing out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", GUARANTEES)))
DRILLS = sorted(set(re.findall(r"^- drill: (.+)$", GUARANTEES, re.MULTILINE)))
NAMED = re.compile(r'(?:Fault|SafeDrill)\(\s*"([^"]+)"')


def sections() -> dict[str, str]:
    """The text of each promise, by its number."""
    parts = re.split(r"^## (G\d+) ", GUARANTEES, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_every_promise_is_there_once_and_in_order() -> None:
    assert list(sections()) == [f"G{number}" for number in range(1, 18)]


@pytest.mark.parametrize("number", list(sections()))
def test_a_promise_is_shown_or_said_not_to_be(number: str) -> None:
    text = sections()[number]

    assert "`tests/" in text or "drill: " in text or "not shown yet" in text


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in functions(path)


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_that_is_named_exists(name: str) -> None:
    sources = (ROOT / "drills" / "faults.py", ROOT / "monitoring" / "safe_drills.py")

    assert name in {found for path in sources for found in NAMED.findall(path.read_text())}


def test_the_runbook_has_an_entry_for_every_kind_of_finding() -> None:
    tree = ast.parse((ROOT / "monitoring" / "models" / "finding.py").read_text())
    [kinds] = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Kind"]
    known = {n.value.value for n in kinds.body if isinstance(n, ast.Assign)}

    assert set(re.findall(r"^### `([a-z-]+)`", RUNBOOK, re.MULTILINE)) == known


def test_every_entry_of_the_runbook_says_what_to_see_check_and_do() -> None:
    for entry in re.split(r"^###? ", RUNBOOK, flags=re.MULTILINE)[1:]:
        if entry.startswith(("`", "Redrive")):
            assert re.findall(r"^\*\*(\w+)\*\*", entry, re.MULTILINE) == ["See", "Check", "Do"]


def test_every_alert_of_the_metrics_has_its_entry() -> None:
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "docs" / "metrics.md").read_text())

    assert alerts
    assert all(f"### {alert}" in RUNBOOK for alert in alerts)
