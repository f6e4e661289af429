"""docker-compose.yml: right by its schema, and in step with the settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config.env import DECLARED

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "tests" / "data" / "compose_spec.json"
_SCALED = ("worker", "dispatcher")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_the_file_is_valid_by_the_compose_schema(compose: dict[str, Any]) -> None:
    # Of the draft that it names it uses what draft 7 has, and that needs no look-up of a URL.
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(compose)


def test_there_are_two_workers_and_two_dispatchers(compose: dict[str, Any]) -> None:
    replicas = {name: compose["services"][name]["deploy"]["replicas"] for name in _SCALED}

    assert replicas == {"worker": 2, "dispatcher": 2}


def test_every_process_waits_for_the_migration(compose: dict[str, Any]) -> None:
    waits = {
        name: compose["services"][name]["depends_on"]["migrate"]["condition"]
        for name in ("web", *_SCALED)
    }

    assert set(waits.values()) == {"service_completed_successfully"}


def test_all_that_runs_on_is_started_again(compose: dict[str, Any]) -> None:
    policies = {name: service["restart"] for name, service in compose["services"].items()}

    assert policies.pop("migrate") == "on-failure:5"
    assert set(policies.values()) == {"unless-stopped"}


def test_every_variable_that_is_passed_on_is_a_setting(compose: dict[str, Any]) -> None:
    passed = set(compose["x-redrive"]["environment"])
    passed |= set(compose["services"]["migrate"]["environment"])

    assert passed <= set(DECLARED)


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()

    for name in ("POSTGRES_PASSWORD", "REDRIVE_SECRET_KEY", "REDRIVE_SECRET_KEYS"):
        forms = set(re.findall(rf"\$\{{{name}\b([^}}]*)\}}", text))
        assert forms == {":?set it in .env"}, name
