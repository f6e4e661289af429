"""The environment: its readers, and docs/settings.md in step with what is declared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import env, settings
from config.env import DECLARED, Misconfigured
from config.stack import options

DOCS = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
_ROW = re.compile(r"\| `([A-Z_]+)` \| (.*?) \| (.*?) \|")

_ADDRESSES = {"DATABASE_URL", "REDIS_URL"}
"""Their names are those that every platform sets; all others begin with REDRIVE_."""


@pytest.fixture(autouse=True)
def _declarations_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test declares is not a setting."""
    monkeypatch.setattr(env, "DECLARED", dict(DECLARED))


def _documented() -> dict[str, tuple[str, str]]:
    return {name: (default, meaning) for name, default, meaning in _ROW.findall(DOCS.read_text())}


def _default(name: str) -> str:
    """The default as the page shows it; that of the broker is another variable's value."""
    if name == "REDRIVE_BROKER_URL":
        return "the value of `REDIS_URL`"
    text = DECLARED[name].default
    return f"`{text}`" if text and " " not in text else text or "empty"


def test_the_page_has_every_variable_with_its_default_and_meaning() -> None:
    assert settings.DATABASES  # the settings are what declares them
    declared = {name: (_default(name), row.meaning) for name, row in DECLARED.items()}

    assert _documented() == declared


def test_every_variable_of_ours_has_the_prefix() -> None:
    assert {name for name in DECLARED if not name.startswith("REDRIVE_")} == _ADDRESSES


def test_what_make_up_reads_is_declared_alike_in_the_settings() -> None:
    before = dict(DECLARED)

    options.read()

    assert before == env.DECLARED


def test_the_files_for_browsers_are_where_the_settings_put_them() -> None:
    assert options.STATIC == settings.STATIC_ROOT


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRIVE_TEST", " ")

    assert env.text("REDRIVE_TEST", "fallback", "") == "fallback"


@pytest.mark.parametrize("value", ["x", "0", "1.5", "-3"])
def test_a_number_that_is_none_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("REDRIVE_TEST", value)

    with pytest.raises(Misconfigured, match="REDRIVE_TEST: write a whole number of at least 1"):
        env.integer("REDRIVE_TEST", 5, "", least=1)


@pytest.mark.parametrize(("value", "meant"), [("yes", True), ("0", False), ("TRUE", True)])
def test_truth_is_read_in_the_usual_words(
    monkeypatch: pytest.MonkeyPatch, value: str, meant: bool
) -> None:
    monkeypatch.setenv("REDRIVE_TEST", value)

    assert env.boolean("REDRIVE_TEST", default=not meant, meaning="") is meant


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-1", "soon"])
def test_seconds_are_finite_and_above_zero(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REDRIVE_TEST", value)

    with pytest.raises(Misconfigured, match="write a number above 0"):
        env.number("REDRIVE_TEST", 1.0, "")


def test_a_secret_that_is_missing_is_never_shown_but_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REDRIVE_TEST", raising=False)

    with pytest.raises(Misconfigured, match=r"REDRIVE_TEST: set it: Signs things\."):
        env.secret("REDRIVE_TEST", "Signs things.")


def test_a_key_that_is_none_stops_the_start_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDRIVE_TEST", f"{Fernet.generate_key().decode()}, not-a-key")

    with pytest.raises(Misconfigured, match=r"REDRIVE_TEST: key 2 of 2 is no Fernet key") as caught:
        env.fernet_keys("REDRIVE_TEST", "Encrypts things.")
    assert "not-a-key" not in str(caught.value)
