"""The life of one event: who got it, what each delivery waits for, and who did not get it and why.

For people and the API, not for the engine: it reads many tables and decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Case, Count, Exists, F, OuterRef, Subquery, When
from django.db.models.functions import Now

from events.explain import NEARNESS, Explanation, why_not
from events.matching import facts_of
from events.models import Attempt, Delivery, Event, FanOut, Lane, OwedDelivery, Subscription
from events.models.delivery import DeliveryQuerySet
from events.models.subscription import SubscriptionQuerySet
from events.probe import TEST_TYPE
from events.rules import ids
from events.rules.states import FINISHED, DeliveryState
from events.rules.waiting import Gate, Wait, wait_of

FAR = datetime(9999, 1, 1, tzinfo=UTC)
DELIVERIES_SHOWN = 200
MISSES_SHOWN = 100
SUBSCRIPTIONS_ASKED = 2_000
"""Of those without a delivery: the newest ones are explained."""
EXPLAINED = ("id", "name", "url", "types", "filter", "tenant", "created_at", "deleted_at")
"""What an explanation and its row on a page read of a subscription; the rest is twice as much."""


@dataclass(frozen=True, slots=True)
class Life:
    """One delivery. `due_at` is the next planned try; `wait` is None once it is finished."""

    delivery: Delivery
    subscription: Subscription | None
    due_at: datetime | None
    wait: Wait | None
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Miss:
    """A subscription that did not get the event."""

    subscription: Subscription
    why: Explanation


@dataclass(frozen=True, slots=True)
class Timeline:
    """`expanding` deliveries are promised and not yet made; `more` says that some are not shown.

    `missed` subscriptions were asked and did not get it, of which `misses` are the nearest.
    """

    event: Event
    lives: Sequence[Life]
    expanding: int
    misses: Sequence[Miss]
    missed: int
    more: bool

    @property
    def unasked(self) -> bool:
        """Whether there may be more that did not get it than were asked."""
        return self.missed == SUBSCRIPTIONS_ASKED


def timeline(event: Event, *, tenant: str | None) -> Timeline:
    """Of an event that the caller may see: what one tenant (None: an operator) may know of it."""
    found = readable(Delivery.objects.seen_by(tenant).of_event(event.id))
    rows = list(found[: DELIVERIES_SHOWN + 1])
    shown = rows[:DELIVERIES_SHOWN]
    remaining = _remaining(event, tenant)
    newest = _unmet(event, tenant, remaining).order_by("-id")
    misses = missed(event, newest.only(*EXPLAINED)[:SUBSCRIPTIONS_ASKED])
    misses.sort(key=lambda miss: NEARNESS.index(miss.why.kind))
    return Timeline(
        event=event,
        lives=lives_of(shown, _attempts([row.id for row in shown])),
        expanding=len(remaining),
        misses=misses[:MISSES_SHOWN],
        missed=len(misses),
        more=len(rows) > DELIVERIES_SHOWN,
    )


def readable(found: DeliveryQuerySet) -> DeliveryQuerySet:
    """With `planned_at` for `due_at`: a test is due at infinity, which Python cannot hold."""
    finite = Case(When(due_at__lt=FAR, then=F("due_at")))
    return found.defer("due_at").annotate(planned_at=finite)


def lives_of(
    deliveries: Sequence[Delivery], attempts: Mapping[UUID, Sequence[Attempt]]
) -> list[Life]:
    """What each of some `readable` deliveries waits for, in three queries at most."""
    pending = [row.id for row in deliveries if row.state == DeliveryState.PENDING]
    subscriptions = {row.subscription for row in deliveries}
    gates = _gates(subscriptions, busy=bool(pending))
    heads = _heads(pending)
    return [
        _life(row, gates.get(row.subscription), heads.get(row.id), attempts.get(row.id, []))
        for row in deliveries
    ]


def _life(
    row: Delivery,
    gate: tuple[Subscription, Gate] | None,
    head: UUID | None,
    attempts: Sequence[Attempt],
) -> Life:
    due_at: datetime | None = getattr(row, "planned_at", None)
    wait = None
    if gate is not None and row.state not in FINISHED:
        wait = wait_of(
            gate[1],
            due_at=due_at,
            lease_until=row.lease_until,
            behind=head if head != row.id else None,
        )
    return Life(row, gate[0] if gate else None, due_at, wait, attempts)


def _gates(wanted: Collection[UUID], *, busy: bool) -> dict[UUID, tuple[Subscription, Gate]]:
    """The subscriptions and what stands before their lanes, by Postgres's clock."""
    lanes = Lane.objects.filter(pk__in=wanted).select_related("subscription").annotate(at=Now())
    in_flight = _in_flight(wanted) if busy else {}
    return {
        lane.pk: (lane.subscription, _gate(lane, lane.at, in_flight.get(lane.pk, 0)))
        for lane in lanes
    }


def _gate(lane: Lane, now: datetime, in_flight: int) -> Gate:
    to = lane.subscription
    limits = (to.max_concurrency, lane.ramp, lane.limit)
    return Gate(
        now=now,
        deleted=to.deleted_at is not None,
        state=to.state,
        resume_at=to.resume_at,
        breaker=lane.breaker,
        cap=min(limit for limit in limits if limit is not None),
        in_flight=in_flight,
        rate=to.rate_limit,
        tokens=lane.tokens,
        tokens_at=lane.tokens_at,
    )


def _in_flight(wanted: Collection[UUID]) -> dict[UUID, int]:
    flying = OwedDelivery.objects.filter(subscription__in=wanted, state=DeliveryState.IN_FLIGHT)
    return dict(flying.values_list("subscription").annotate(n=Count("id")))


def _heads(pending: Collection[UUID]) -> dict[UUID, UUID]:
    """For those in an order: the first delivery of it, one index probe each."""
    same = OwedDelivery.objects.filter(
        subscription=OuterRef("subscription"), ordering_key=OuterRef("ordering_key")
    )
    first = Subquery(same.order_by("created_at", "id").values("id")[:1])
    ordered = OwedDelivery.objects.filter(id__in=pending, ordering_key__isnull=False)
    return dict(ordered.annotate(head=first).values_list("id", "head")) if pending else {}


def _attempts(deliveries: Sequence[UUID]) -> dict[UUID, list[Attempt]]:
    """Without headers and bodies, which a page of them would be too big with."""
    found: dict[UUID, list[Attempt]] = {}
    if deliveries:
        since = ids.first_of(min(deliveries))
        rows = Attempt.objects.filter(delivery__in=deliveries, id__gte=since).order_by("id")
        for row in rows.defer("request_headers", "response_headers", "response_body"):
            found.setdefault(row.delivery, []).append(row)
    return found


def _remaining(event: Event, tenant: str | None) -> Collection[UUID]:
    """The subscriptions whose delivery a worker has yet to make."""
    marker = FanOut.objects.filter(event=event.id).values_list("remaining", flat=True).first()
    if not marker or tenant is None:
        return set(marker or ())
    seen = Subscription.objects.seen_by(tenant).filter(id__in=marker)
    return set(seen.values_list("id", flat=True))


def unmet(event: Event, *, tenant: str | None) -> SubscriptionQuerySet:
    """The subscriptions that have no delivery of the event, made or promised."""
    return _unmet(event, tenant, _remaining(event, tenant))


def missed(event: Event, subscriptions: Iterable[Subscription]) -> list[Miss]:
    """Why each of some subscriptions without a delivery of the event has none."""
    facts = facts_of(event)  # type: ignore[arg-type]  # a stored event's data may be a memoryview
    return [Miss(row, why_not(event, row, facts=facts)) for row in subscriptions]


def _unmet(event: Event, tenant: str | None, remaining: Collection[UUID]) -> SubscriptionQuerySet:
    """A test goes to one subscription on purpose: nobody missed it."""
    if event.type == TEST_TYPE:
        return Subscription.objects.none()
    got = Delivery.objects.of_event(event.id).filter(subscription=OuterRef("id"))
    return Subscription.objects.seen_by(tenant).filter(~Exists(got)).exclude(id__in=remaining)
