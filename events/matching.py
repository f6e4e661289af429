"""Which subscriptions an event goes to: compiled once an epoch, asked in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import msgspec

from events.models import Epoch, Subscription
from events.rules import filters
from events.rules.cloudevents import is_json_type, parse_time
from events.rules.filters import Facts, Filter, NoMatch
from events.rules.patterns import PatternIndex

MISSES_KEPT = 100
"""How many failed filters one event remembers for its timeline."""


@dataclass(frozen=True, slots=True)
class Target:
    """What matching needs to know of a subscription."""

    id: UUID
    tenant: str | None
    ordered: bool
    filter: Filter | None


@dataclass(frozen=True, slots=True)
class Hits:
    """Who gets the event; `misses` says of whom the pattern matched but the filter did not."""

    subscriptions: Sequence[Target]
    misses: dict[str, str] = field(default_factory=dict)


class Filterable(Protocol):
    """An event as filters see it: a new one at publish, a stored one on the explain page."""

    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def subject(self) -> str | None: ...
    @property
    def time(self) -> str | None: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def extensions(self) -> dict[str, str | int | bool]: ...
    @property
    def datacontenttype(self) -> str | None: ...
    @property
    def data(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Matcher:
    """The subscriptions of one epoch, indexed by their patterns."""

    epoch: int
    index: PatternIndex[Target]

    def match(self, tenant: str | None, event_type: str, facts: Callable[[], Facts]) -> Hits:
        """Asks for the facts only if a filter wants them."""
        found = {
            target.id: target
            for target in self.index.find(event_type)
            if target.tenant is None or target.tenant == tenant
        }
        if all(target.filter is None for target in found.values()):
            return Hits([found[key] for key in sorted(found)])
        return _filtered([found[key] for key in sorted(found)], facts())


def _filtered(targets: Sequence[Target], facts: Facts) -> Hits:
    hits: list[Target] = []
    misses: dict[str, str] = {}
    for target in targets:
        result = filters.evaluate(target.filter, facts) if target.filter else None
        if not isinstance(result, NoMatch):
            hits.append(target)
        elif len(misses) < MISSES_KEPT:
            misses[str(target.id)] = result.reason
    return Hits(hits, misses)


def facts_of(event: Filterable) -> Facts:
    """What a filter may look at; `data` is None where it is not JSON."""
    data = None
    if is_json_type(event.datacontenttype):
        try:
            data = msgspec.json.decode(bytes(event.data))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            data = None
    return Facts(
        type=event.type,
        source=event.source,
        subject=event.subject,
        time=None if event.time is None else parse_time(event.time),
        tenant=event.tenant,
        extensions=event.extensions,
        data=data,
    )


_lock = threading.Lock()
_current: Matcher | None = None


def current_matcher(*, moved_to: int | None = None) -> Matcher:
    """This process's matcher, read anew if the epoch is said to have moved on from its own."""
    global _current  # noqa: PLW0603 - one compiled index a process is the point
    with _lock:
        if _current is None or moved_to not in (None, _current.epoch):
            _current = read_matcher()
        return _current


def read_matcher() -> Matcher:
    """Reads the epoch first: if subscriptions move meanwhile, the publish finds out."""
    epoch = Epoch.objects.get(id=1).value
    rows = Subscription.objects.existing().only("id", "tenant", "ordered", "types", "filter")
    pairs: list[tuple[str, Target]] = []
    for row in rows:
        compiled = filters.compile_filter(row.filter) if row.filter else None
        target = Target(row.id, row.tenant, row.ordered, compiled)
        pairs.extend((pattern, target) for pattern in row.types)
    return Matcher(epoch, PatternIndex(pairs))
