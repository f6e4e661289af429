"""What a list that stands still is told: how many rows are newer, and how its own rows are now.

Rows never move under a reader: those on the page update their cells, what is newer is a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import models
from django.http import HttpRequest
from django.urls import reverse

from events.console.inputs import decoded_or_none
from events.console.paging import SIZE, Page, TooLate, in_time
from events.rules.ids import Prefix

MOST = 99
"""Newer rows that are counted; there may be any number."""

SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Newer:
    """`late` says that counting was stopped: there may be newer rows."""

    count: int = 0
    late: bool = False

    @property
    def words(self) -> str:
        if self.late:
            return "Maybe newer"
        return f"{MOST}+ new" if self.count > MOST else f"{self.count} new"


def standing(name: str, page: Page[Any], ids: Sequence[str]) -> Mapping[str, Any]:
    """What a list's page needs to be kept fresh: `name` is the view that answers with fragments."""
    first = page.newer is None and not page.late
    return {
        "watch": ids,
        "fresh": reverse(name),
        "newest": (ids[0] if ids else "none") if first else "",
        "newer": Newer(),
    }


def newer(request: HttpRequest, found: models.QuerySet[Any], kind: Prefix) -> Newer:
    """Rows above the newest one shown, by key; none for a page further back."""
    text = request.GET.get("newest", "")
    newest = UUID(int=0) if text == "none" else decoded_or_none(kind, text)
    if newest is None:
        return Newer()
    above = found.filter(pk__gt=newest).order_by("-pk").values_list("pk", flat=True)
    try:
        with in_time(SECONDS):
            return Newer(len(above[: MOST + 1]))
    except TooLate:
        return Newer(late=True)


def shown(request: HttpRequest, kind: Prefix) -> list[UUID]:
    """The rows of the page that changed, as far as one page goes."""
    asked = request.GET.get("rows", "").split(",")[:SIZE]
    return [one for text in asked if (one := decoded_or_none(kind, text)) is not None]
