"""A type pattern as a condition of a query: of events, deliveries and dead letters alike."""

from __future__ import annotations

from django.db.models import Q

from events.rules import patterns


def typed(column: str, pattern: str | None) -> Q:
    """The literal start of a pattern bounds the index, the expression says the rest."""
    if pattern in (None, patterns.ALL_BELOW):
        return Q()
    literal = pattern.split("*", 1)[0]
    if literal == pattern:
        return Q(**{column: pattern})
    expression = patterns.as_regex(pattern)
    return Q(**{f"{column}__startswith": literal, f"{column}__regex": expression})
