"""Findings: what is wrong, and on whose side.

From the newest sample, the processes, the reconciler's report and the drills.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from events.audit import note
from events.models import ApiKey, Lane, Subscription
from events.rules.states import BreakerState, SubscriptionState
from monitoring import report
from monitoring.models import Drill, Finding, Kind, Side
from monitoring.models.drill import OVERDUE_AFTER
from monitoring.safe_drills import DRILLS
from monitoring.seen import Seen, spelled
from monitoring.troubles import ours


def judge() -> None:
    """Keeps what is wrong now, and clears what is no longer."""
    keep([*ours(), *_theirs(), *_quiet(), *_reconciled(), *_drilled()])


@transaction.atomic
def keep(seen: Sequence[Seen]) -> None:
    """Stores each as standing; those that stood and were not seen again are over."""
    standing = {
        (finding.kind, finding.subject): finding
        for finding in Finding.objects.select_for_update().standing()
    }
    for one in seen:
        found = standing.pop((one.kind, one.subject), None)
        if found is None:
            Finding.objects.create(
                kind=one.kind, subject=one.subject, side=one.side, words=one.words, href=one.href
            )
        else:
            Finding.objects.filter(pk=found.pk).update(seen_at=Now(), words=one.words)
    over = [finding.pk for finding in standing.values()]
    Finding.objects.filter(pk__in=over).update(cleared_at=Now())


@transaction.atomic
def acknowledge(pk: int, *, actor: str) -> bool:
    """Somebody knows: it rings no more. False if it is over, or somebody was first."""
    found = _held(pk)
    if found is None or found.acknowledged_at is not None:
        return False
    found.acknowledged_at, found.acknowledged_by = timezone.now(), actor
    _change(found, actor, "acknowledge")
    return True


@transaction.atomic
def silence(pk: int, *, actor: str, until: datetime) -> bool:
    """It rings no more before `until`; False if it is over."""
    found = _held(pk)
    if found is None:
        return False
    found.silenced_until, found.silenced_by = until, actor
    _change(found, actor, "silence")
    return True


@transaction.atomic
def ring_again(pk: int, *, actor: str) -> bool:
    """Takes back an acknowledgement and a silence."""
    found = _held(pk)
    if found is None:
        return False
    found.acknowledged_at, found.acknowledged_by = None, ""
    found.silenced_until, found.silenced_by = None, ""
    _change(found, actor, "ring-again")
    return True


def _held(pk: int) -> Finding | None:
    return Finding.objects.standing().select_for_update().filter(pk=pk).first()


_RINGING = ["acknowledged_at", "acknowledged_by", "silenced_until", "silenced_by"]


def _change(found: Finding, actor: str, action: str) -> None:
    """Stores whether it rings, and notes what that was before."""
    before = _ringing(Finding.objects.get(pk=found.pk))
    found.save(update_fields=_RINGING)
    note(actor, action, f"finding {found.pk}", before=before, after=_ringing(found))


def _ringing(found: Finding) -> dict[str, object]:
    until = found.silenced_until
    return {
        "finding": found.words,
        "state": found.state(timezone.now()),
        "acknowledged by": found.acknowledged_by or None,
        "silenced until": until and until.isoformat(),
    }


def _theirs() -> Iterable[Seen]:
    lanes = Lane.objects.exclude(state=BreakerState.CLOSED).select_related("subscription")
    for lane in lanes.filter(
        subscription__state=SubscriptionState.ACTIVE, subscription__deleted_at=None
    ):
        one = lane.subscription
        words = f"{one}: the endpoint fails, its breaker is open and deliveries are parked."
        yield Seen(
            Kind.BREAKER, one.public_id, Side.THEIRS, words, f"/subscriptions/{one.public_id}/"
        )
    disabled = Subscription.objects.existing().filter(
        state=SubscriptionState.DISABLED, state_by="redrive"
    )
    for one in disabled:
        words = f"{one}: disabled, because {one.state_reason or 'it failed for days'}."
        yield Seen(
            Kind.DISABLED, one.public_id, Side.THEIRS, words, f"/subscriptions/{one.public_id}/"
        )


def _quiet() -> Iterable[Seen]:
    """Producers that stopped: what they do not publish nobody misses but their own readers."""
    now = timezone.now()
    for key in ApiKey.objects.quiet(now):
        silent = now - (key.last_published_at or now)
        words = (
            f"{key.name} has published nothing for {spelled(silent)}: "
            f"it usually does every {spelled(key.usual_gap)}."
        )
        yield Seen(Kind.QUIET_PRODUCER, f"rdk_{key.lookup}", Side.THEIRS, words, "/health/")


WORDS = {
    Kind.UNACCOUNTED: "The ledger and what is owed differ for",
    Kind.BROKEN_PROMISE: "An event has not the deliveries that its publish promised:",
    Kind.MISSING_PARTITION: "Rows of days without a partition are in the default one of",
    Kind.MISSING_EPOCH: "The row of the epoch was gone, without which nothing is published:",
    Kind.MISSING_LANE: "A subscription had no lane, so nothing was claimed from it:",
    Kind.STUCK_LEASE: "A lease ran out and nothing rescued the delivery:",
    Kind.ORPHAN: "A delivery was owed to a subscription that is gone:",
    Kind.OLD_TEST: "A test was not sent within five minutes:",
    Kind.UNBURIED: "A delivery died without a dead letter:",
    Kind.GROUP_COUNT: "A group of dead letters was counted wrong:",
    Kind.LEDGER_ENDED: "The ledger says that deliveries ended otherwise than they did for",
    Kind.TENANT_LEDGER: "The ledger and what is owed differ for the tenant",
    Kind.STUCK_FAN_OUT: "Deliveries that were promised ten minutes ago are not made of",
    Kind.STUCK_PROBE: "A breaker waits half-open for a probe that died:",
    Kind.EVENTLESS: "The event of a delivery is gone:",
    Kind.OWED_AND_FINISHED: "A delivery is owed and finished at once:",
    Kind.ATTEMPT_COUNT: "A delivery says other attempts than were made:",
    Kind.DEATHLESS: "A dead letter is of a delivery that did not die:",
    Kind.REPLAYED_TWICE: "A replay made two deliveries of one source:",
}
"""What each kind of the reconciler's finds means; its subjects follow."""

SHOWN = 5

PAGES = {"sub": "subscriptions", "dlv": "deliveries", "evt": "events", "dlq": "dead-letters"}


def _reconciled() -> Iterable[Seen]:
    for found in report.reported():
        shown, more = found.subjects[:SHOWN], len(found.subjects) - SHOWN
        subjects = ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
        end = "It was mended." if found.mended else "It cannot be mended without you."
        words = f"{WORDS[found.kind]} {subjects}. {end}"
        yield Seen(found.kind, "", Side.OURS, words, _page_of(found.subjects[0]))


def _page_of(subject: str) -> str:
    page = PAGES.get(subject.partition("_")[0])
    return f"/{page}/{subject}/" if page else "/health/"


def _drilled() -> Iterable[Seen]:
    """Once drills are run here, they are to be run again and to hold."""
    after, now = _overdue_after(), timezone.now()
    overdue = set(Drill.objects.overdue(after).values_list("pk", flat=True))
    safe = Drill.objects.here().last_of_each([drill.name for drill in DRILLS])
    for one in (*safe, *Drill.objects.of_make()):
        if not one.held:
            words = f"The drill “{one.name}” failed: {one.seen}."
            yield Seen(Kind.DRILL, one.name, Side.OURS, words, "/drills/")
        elif one.pk in overdue:
            words = f"The drill “{one.name}” was not run for {spelled(now - one.started_at)}."
            yield Seen(Kind.DRILL, one.name, Side.OURS, words, "/drills/")


def _overdue_after() -> timedelta:
    """Two missed turns of the schedule, or a week where people run them."""
    hours = settings.REDRIVE_SAFE_DRILL_HOURS
    return timedelta(hours=2 * hours) if hours else OVERDUE_AFTER
