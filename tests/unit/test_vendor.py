"""What is served of others is what VENDOR.md says; what pages ask for is there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from events.console.nav import GROUPS
from monitoring.looks import _ANYWHERE, _OF_KIND

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "static" / "vendor"
ROWS = re.findall(r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", (VENDOR / "VENDOR.md").read_text())
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize(("name", "digest"), ROWS)
def test_a_file_of_others_is_the_one_that_was_read(name: str, digest: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest


def test_every_file_of_others_is_declared() -> None:
    served = {file.name for file in VENDOR.iterdir()} - {"VENDOR.md", "LICENSES.txt"}
    assert served == {name for name, _ in ROWS}


def test_every_icon_that_a_page_names_is_in_the_sprite() -> None:
    there = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "lucide.svg").read_text()))
    named = {link.icon for _, links in GROUPS for link in links}
    named |= {look.icon for look in [*_ANYWHERE.values(), *_OF_KIND.values()]}
    for template in TEMPLATES:
        text = template.read_text()
        named |= set(re.findall(r'ui/icon\.html" with name="([^"]+)"', text))
        named |= set(re.findall(r'\bicon="([^"]+)"', text))
    assert named <= there


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_needs_what_the_policy_forbids(template: Path) -> None:
    """No inline script or style, no handler, nothing of htmx that evaluates."""
    text = template.read_text()
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|hx-on|[\"']js:", text)
    assert not re.search(r"morph:\{|hx-vals=[\"']js|hx-trigger=[\"'][^\"']*\[", text)
    assert not re.search(r"(src|href)=[\"']https?://", text)
