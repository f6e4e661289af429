"""Trying patterns and a filter on what arrived lately, before anything is saved."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from events.console.subscription_form import patterns_of
from events.explain import Explanation, explain
from events.matching import facts_of
from events.models import Event, Subscription
from events.problems import Problem
from events.subscribing import check

LOOKED_AT = 100
SHOWN = 5
SECONDS = 2.0
"""A filter may take long on big events, and somebody waits for this page."""


@dataclass(frozen=True, slots=True)
class Tried:
    event: Event
    why: Explanation


@dataclass(frozen=True, slots=True)
class Trial:
    """`problem` says why nothing could be tried."""

    looked_at: int = 0
    matching: int = 0
    hits: Sequence[Tried] = ()
    misses: Sequence[Tried] = ()
    problem: str = ""


def try_out(posted: Mapping[str, str], *, tenant: str | None) -> Trial:
    """Asks the newest events, until two seconds are over."""
    given = {"types": patterns_of(posted.get("types", "")), "filter": posted.get("filter", "")}
    found = check(given)
    if isinstance(found, Problem):
        return Trial(problem=found.detail)
    wanted = Subscription(**found, tenant=tenant)
    tried: list[Tried] = []
    ends = time.monotonic() + SECONDS
    newest = Event.objects.seen_by(tenant).order_by("-id")[:LOOKED_AT]
    for event in newest.iterator(chunk_size=LOOKED_AT):
        facts = facts_of(event)  # type: ignore[arg-type]  # its data may be a memoryview
        tried.append(Tried(event, explain(event, wanted, facts=facts)))
        if time.monotonic() > ends:
            break
    hits = [one for one in tried if one.why.matches]
    misses = [one for one in tried if not one.why.matches]
    return Trial(len(tried), len(hits), hits[:SHOWN], misses[:SHOWN])
