"""A subscription as a form; what its fields may be is said by events/subscribing alone."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from events.console.shown import HIDDEN
from events.models import Subscription
from events.models.subscription import Authentication, Format
from events.problems import Problem
from events.rules.retry import DEFAULT_SCHEDULE
from events.subscribing import Fields, check

_STEP = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, None: 1.0}

_MONO = {"class": "mono", "spellcheck": "false", "autocapitalize": "off"}


class SubscriptionForm(forms.Form):
    """Bound with `current` to change one: what it leaves empty of secrets stays as it is."""

    url = forms.CharField(
        label="Endpoint URL",
        max_length=2_048,
        widget=forms.TextInput(attrs={"type": "url", "placeholder": "https://…", **_MONO}),
    )
    name = forms.CharField(
        required=False, max_length=200, help_text="What people call it. Empty: its URL."
    )
    types = forms.CharField(
        label="Event types",
        initial="**",
        widget=forms.Textarea(attrs={"rows": 3, **_MONO}),
        help_text="A pattern a line: order.paid, order.* (one level), order.**, ** (all).",
    )
    filter = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **_MONO}),
        help_text="CEL over type, source, subject, time, tenant, extensions and data: "
        "data.total > 100",
    )
    tenant = forms.CharField(
        required=False,
        max_length=200,
        help_text="Gets this tenant's events only. Empty: those of all.",
    )
    schedule = forms.CharField(
        required=False,
        label="Retries",
        widget=forms.TextInput(attrs=_MONO),
        help_text="The waits between attempts, ±20 %. Empty: a single attempt.",
    )
    timeout = forms.FloatField(label="Timeout, seconds", initial=15)
    max_concurrency = forms.IntegerField(label="Sends at a time", initial=10)
    rate_limit = forms.FloatField(
        required=False, label="Sends a second", help_text="Empty: no limit."
    )
    adaptive = forms.BooleanField(
        required=False,
        label="Adapt the width",
        help_text="Fewer sends at a time while the endpoint slows down.",
    )
    ordered = forms.BooleanField(
        required=False,
        label="In order",
        help_text="First in, first out by ordering key: a stuck one holds up its key only.",
    )
    format = forms.ChoiceField(
        choices=[
            (Format.BINARY, "CloudEvents binary: data is the body"),
            (Format.STRUCTURED, "CloudEvents structured: one JSON envelope"),
        ]
    )
    authentication = forms.ChoiceField(choices=Authentication.choices)
    credentials = forms.CharField(
        required=False,
        max_length=4_096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="user:password for basic, the token for bearer. Kept encrypted, never shown.",
    )
    headers = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, **_MONO}),
        help_text=f"Name: value, a header a line. {HIDDEN} keeps the value it has.",
    )
    paused = forms.BooleanField(
        required=False,
        label="Start paused",
        help_text="So that you can send it a test before anything else goes there.",
    )

    def __init__(self, *args: Any, current: Subscription | None = None, **kwargs: Any) -> None:
        start = _initial(current) if current else {"schedule": _waits(DEFAULT_SCHEDULE)}
        kwargs["initial"] = {**start, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        self.current = current
        self.checked: Fields = {}
        if current is not None:
            del self.fields["tenant"], self.fields["paused"]
            if current.credentials:
                self.fields["credentials"].help_text = "Empty keeps those it has."

    def clean_schedule(self) -> list[float]:
        parts = [part for part in re.split(r"[,\s]+", self.cleaned_data["schedule"]) if part]
        return [_seconds(part) for part in parts]

    def clean_headers(self) -> dict[str, str | None]:
        kept = self.current.headers if self.current else {}
        found: dict[str, str | None] = dict.fromkeys(kept)
        for line in self.cleaned_data["headers"].splitlines():
            name, colon, value = line.partition(":")
            if line.strip() and not colon:
                raise ValidationError(f"{line.strip()[:40]!r} is no header: write Name: value.")
            if line.strip():
                found[name.strip()] = value.strip()
        # What stands there masked is not sent, so it is kept.
        return {name: value for name, value in found.items() if value != HIDDEN}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if self.errors:
            return values
        found = check(self._given(values), current=self.current)
        if isinstance(found, Problem):
            field = (found.pointer or "").split("/")[1:2]
            self.add_error(field[0] if field and field[0] in self.fields else None, found.detail)
        else:
            self.checked = found
        return values

    def _given(self, values: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in values.items() if name != "paused"}
        given["types"] = patterns_of(values["types"])
        if "tenant" in given:
            given["tenant"] = given["tenant"] or None
        if not given["credentials"]:
            del given["credentials"]
        return given


def patterns_of(text: str) -> list[str]:
    """One a line, or between commas."""
    return [part for part in re.split(r"[,\s]+", text) if part]


def _initial(row: Subscription) -> dict[str, Any]:
    same = ("url", "name", "filter", "timeout", "max_concurrency", "rate_limit", "adaptive",
            "ordered", "format", "authentication")  # fmt: skip
    return {
        **{name: getattr(row, name) for name in same},
        "types": "\n".join(row.types),
        "schedule": _waits(row.schedule),
        "headers": "\n".join(f"{name}: {HIDDEN}" for name in row.headers),
    }


def _waits(schedule: list[float] | tuple[float, ...]) -> str:
    """`5s 30s 2m`: each step in the largest unit that is whole."""
    return " ".join(_wait(step) for step in schedule)


def _wait(seconds: float) -> str:
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:g}{unit}"
    return f"{seconds:g}s"


def _seconds(text: str) -> float:
    found = _STEP.fullmatch(text)
    if found is None:
        raise ValidationError(f"{text[:20]!r} is no wait: write 30s, 2m, 5h or 1d.")
    return float(found[1]) * _SECONDS[found[2]]
