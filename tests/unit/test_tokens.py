"""The colours of static/css/tokens.css: what is read can be read, in both themes."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from monitoring.looks import FAILING, HEALTHY, look_of

CSS = Path(__file__).parents[2] / "static" / "css"
COLOUR = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6})(?:[0-9a-f]{2})?, (#[0-9a-f]{6})")
TOKENS = {
    name: {"light": light, "dark": dark}
    for name, light, dark in COLOUR.findall((CSS / "tokens.css").read_text())
}
STATES = [
    "healthy", "degraded", "failing", "open", "half-open", "parked", "dead", "paused", "disabled",
    "replaying",
]  # fmt: skip
THEMES = ["light", "dark"]
GROUNDS = ["bg", "sub", "page", "card", "hover"]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("name", "ground", "theme"), list(product(["text", "muted", "link"], GROUNDS, THEMES))
)
def test_text_can_be_read_on_every_ground(name: str, ground: str, theme: str) -> None:
    assert contrast(TOKENS[name][theme], TOKENS[ground][theme]) >= 5.5


@pytest.mark.parametrize(("ground", "theme"), list(product(["bg", "sub", "page", "card"], THEMES)))
def test_the_outline_of_a_control_is_seen(ground: str, theme: str) -> None:
    assert contrast(TOKENS["control"][theme], TOKENS[ground][theme]) >= 3.7


@pytest.mark.parametrize(("state", "theme"), list(product(STATES, THEMES)))
def test_a_state_can_be_read_on_its_tint_and_on_every_ground(state: str, theme: str) -> None:
    grounds = [f"{state}-tint", "bg", "sub", "page", "card"]
    lowest = min(contrast(TOKENS[state][theme], TOKENS[one][theme]) for one in grounds)
    assert lowest >= 6.0


@pytest.mark.parametrize("theme", THEMES)
def test_a_primary_button_can_be_read(theme: str) -> None:
    assert contrast(TOKENS["on-primary"][theme], TOKENS["primary"][theme]) >= 6.5


def test_every_state_has_a_tone_in_the_css() -> None:
    tones = set(re.findall(r"\.tone-([a-z-]+)", (CSS / "components.css").read_text()))
    assert tones == set(STATES)


def test_every_colour_is_a_token() -> None:
    """So that the contrasts measured here are those on screen."""
    for sheet in CSS.glob("*.css"):
        if sheet.name != "tokens.css":
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", sheet.read_text()), sheet


def test_a_word_means_one_thing_for_each_kind_of_subject() -> None:
    assert look_of("open").icon == "zap-off"
    assert look_of("open", "letter").word == "dead"
    assert look_of("healthy") is HEALTHY
    assert look_of("failing") is FAILING
    assert look_of("never_heard_of").word == "never heard of"


def test_every_variable_that_a_sheet_names_has_a_value_and_every_value_is_used() -> None:
    sheets = "".join(sheet.read_text() for sheet in CSS.glob("*.css"))
    named = set(re.findall(r"var\(--([a-z0-9-]+)", sheets))
    given = set(re.findall(r"--([a-z0-9-]+):", sheets))
    assert named == given
