"""What a worker knows of the subscriptions it sends to, read once a version."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, Q
from django.db.models.functions import Now

from events import vault
from events.models import Secret, Subscription
from events.rules.verdict import Policy

KEPT = 5_000


@dataclass(frozen=True, slots=True)
class Destination:
    """A subscription as the sender needs it: secrets in the clear, so never logged or shown."""

    url: str
    policy: Policy
    timeout: float
    structured: bool
    keys: Sequence[str]
    headers: Sequence[tuple[str, str]]
    authentication: str
    credentials: str


class Destinations:
    """The newest version of each subscription that this process has sent to."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[UUID, int], Destination | vault.Unreadable] = OrderedDict()

    def learn(self, wanted: Iterable[tuple[UUID, int]]) -> None:
        """Reads those (subscription, version) that are not known yet, in two queries."""
        missing = {
            subscription
            for subscription, version in wanted
            if (subscription, version) not in self._known
        }
        if missing:
            for row in _rows(missing):
                self._known[row.id, row.version] = _readable(row)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def get(self, subscription: UUID, version: int) -> Destination | None:
        """None if the subscription moved on between the claim and the reading.

        Raises vault.Unreadable if its secrets cannot be read: that is no one else's trouble.
        """
        found = self._known.get((subscription, version))
        if isinstance(found, vault.Unreadable):
            raise found
        return found


def _rows(subscriptions: Iterable[UUID]) -> Iterable[Subscription]:
    signing = Secret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
    newest_first = Prefetch("secrets", signing.order_by("-created_at"))
    return Subscription.objects.filter(id__in=subscriptions).prefetch_related(newest_first)


def _readable(row: Subscription) -> Destination | vault.Unreadable:
    try:
        return destination_of(row)
    except vault.Unreadable as error:
        return error


def destination_of(row: Subscription) -> Destination:
    """Raises vault.Unreadable if a secret's key is gone."""
    return Destination(
        url=row.url,
        policy=Policy(tuple(row.schedule)),
        timeout=row.timeout,
        structured=row.format == "structured",
        keys=[vault.decrypt(secret.encrypted) for secret in row.secrets.all()],
        headers=[(name, vault.decrypt(value)) for name, value in row.headers.items()],
        authentication=row.authentication,
        credentials=vault.decrypt(row.credentials) if row.credentials else "",
    )
