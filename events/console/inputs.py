"""Inputs that several lists filter by: moments, ids, patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from events.rules import ids, patterns
from events.rules.ids import Prefix

_AGO = re.compile(r"(\d{1,5})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Filters(forms.Form):
    """A list's filter, bound to the query string; `chosen` is what was filled in."""

    @property
    def chosen(self) -> dict[str, Any]:
        """The cleaned values that somebody set."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}

    @property
    def narrowed(self) -> bool:
        """Whether anything is filtered at all: an empty list then has another reason."""
        return any(self.data.get(name) for name in self.fields)


class MomentField(forms.CharField):
    """A moment, or how long ago: `15m`, `2h`, `7d`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(max_length=40, **kwargs)
        self.widget.attrs["placeholder"] = "2h, 7d, 2026-01-31 03:00"

    def clean(self, value: Any) -> Any:
        text = (super().clean(value) or "").strip()
        return _moment(text) if text else None


class IdField(forms.CharField):
    """A public id of one kind; gives the UUID."""

    def __init__(self, kind: Prefix, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(max_length=40, **kwargs)
        self.kind = kind
        self.widget.attrs["placeholder"] = f"{kind}_…"

    def clean(self, value: Any) -> Any:
        text = (super().clean(value) or "").strip()
        return decoded(self.kind, text) if text else None


class PatternField(forms.CharField):
    """An event type or a pattern of them."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(max_length=patterns.MAX_LENGTH, **kwargs)
        self.widget.attrs["placeholder"] = "order.paid, order.*"

    def clean(self, value: Any) -> Any:
        text = (super().clean(value) or "").strip()
        if text and (problem := patterns.check(text)):
            raise ValidationError(problem)
        return text


def decoded(kind: Prefix, text: str) -> UUID:
    """Raises ValidationError in words."""
    found = ids.decode(kind, text)
    if found is None:
        raise ValidationError(f"That is no id of this kind: it begins with {kind}_.")
    return found


def equal(values: Mapping[str, Any], **columns: str) -> Q:
    """Columns that must equal the value of that name, where there is one."""
    return Q(**{column: values[name] for name, column in columns.items() if name in values})


def _moment(text: str) -> datetime:
    ago = _AGO.fullmatch(text)
    if ago:
        return timezone.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = parse_datetime(text.replace("  ", " "))
    except ValueError:
        found = None
    if found is None:
        raise ValidationError("Write 15m, 2h or 7d for how long ago, or 2026-01-31 03:00.")
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def decoded_or_none(kind: Prefix, text: str) -> UUID | None:
    """For links between pages, where a wrong id is no mistake of the person."""
    return ids.decode(kind, text.strip())
