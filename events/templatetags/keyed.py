"""Looking something up by a variable, which Django's templates cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

register = template.Library()


@register.filter
def of(known: Mapping[Any, Any], key: Any) -> Any:
    """What a mapping has for a key: `{{ health|of:row.id }}`."""
    return known.get(key)
