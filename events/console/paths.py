"""Public ids in paths: `<evt:event>` gives a view the UUID, and `{% url %}` takes one."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from django.urls import register_converter

from events.rules import ids
from events.rules.ids import Prefix


class _PublicId:
    """Whatever is no id of its kind matches no path, so it is a 404 like any other."""

    prefix: Prefix
    regex = "[A-Za-z]{3}_[0-9A-Za-z]{26}"

    def to_python(self, value: str) -> UUID:
        found = ids.decode(self.prefix, value)
        if found is None:
            raise ValueError(value)
        return found

    def to_url(self, value: UUID) -> str:
        return ids.encode(self.prefix, value)


@cache
def register() -> None:
    """Makes the converters known, once a process: each URL conf that uses them calls it."""
    for prefix in (
        Prefix.EVENT,
        Prefix.SUBSCRIPTION,
        Prefix.DELIVERY,
        Prefix.DEAD_LETTER,
        Prefix.REPLAY,
        Prefix.BULK,
    ):
        converter = type(prefix.name, (_PublicId,), {"prefix": prefix})
        register_converter(converter, str(prefix))
