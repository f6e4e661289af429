"""GET /metrics: the newest sample and a few small tables, in Prometheus' text format.

Nothing here counts what is stored: the sampler did, at the pace that the database stands. The
format is version 0.0.4 of https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address

from django.conf import settings
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dlq.models import Replay, Signature
from events.api.refusals import answer
from events.keys import keyring
from events.models import FanOut, Heartbeat, Lane, LoadLevel
from events.models.access import Scope
from events.models.process import Role
from events.problems import Code, Problem
from events.rules.load import Level
from events.rules.states import BreakerState
from monitoring.models import Finding, Sample, Side

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
RECENT = timedelta(minutes=1)

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: `kind` is counter or gauge, `values` are pairs of labels and value."""

    name: str
    kind: str
    help: str
    values: Sequence[tuple[Labels, float]] = field(default_factory=tuple)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """To a key with the scope read that sees every tenant, or to a caller on this machine."""
    problem = None if _is_near(request) else _refusal(request)
    return answer(problem) if problem else HttpResponse(render(gather()), CONTENT_TYPE)


def render(families: Iterable[Family]) -> str:
    """The text format; a family without values is left out."""
    lines = []
    for one in families:
        if one.values:
            lines += [f"# HELP {one.name} {one.help}", f"# TYPE {one.name} {one.kind}"]
            lines += [f"{one.name}{_labels(labels)} {value!r}" for labels, value in one.values]
    return "\n".join(lines) + "\n"


def gather() -> list[Family]:
    """Every family as of now; those of the sample as of the sample."""
    sample = Sample.objects.newest()
    return [*_of_sample(sample), *_of_attempts(sample), *_of_load(), *_of_lanes(), *_of_tables()]


def _of_sample(sample: Sample | None) -> list[Family]:
    if sample is None:
        return [*_of_ledger({}), *_of_owed({}), *_of_look(None)]
    states = ("due", "waiting", "parked", "in_flight")
    owed = {state: getattr(sample, state) for state in states}
    return [*_of_ledger(sample.totals["ledger"]), *_of_owed(owed), *_of_look(sample)]


def _of_ledger(totals: Mapping[str, int]) -> list[Family]:
    created = totals.get("created")
    outcomes = ("delivered", "dead", "cancelled")
    ended = [({"outcome": name}, totals[name]) for name in outcomes if name in totals]
    return [
        _one("deliveries_created_total", "counter", "Deliveries that were ever owed.", created),
        Family(
            "redrive_deliveries_ended_total", "counter", "Deliveries that ended, by outcome.", ended
        ),
    ]


def _of_owed(owed: Mapping[str, int]) -> list[Family]:
    values = [({"state": state}, n) for state, n in owed.items()]
    words = "Deliveries that are owed, by state."
    return [Family("redrive_deliveries_owed", "gauge", words, values)]


def _of_look(sample: Sample | None) -> list[Family]:
    return [
        _one(
            "oldest_due_seconds",
            "gauge",
            "Time that the oldest delivery of a flowing lane is due; 0 if none is.",
            (sample.oldest or 0.0) if sample else None,
        ),
        _one(
            "unaccounted_deliveries",
            "gauge",
            "What the ledger says is owed less what is: anything but 0 is a fault.",
            sample.unaccounted if sample else None,
        ),
        _one(
            "sample_timestamp_seconds",
            "gauge",
            "When the sample was taken, as Unix time.",
            sample.at.timestamp() if sample else None,
        ),
    ]


def _of_attempts(sample: Sample | None) -> list[Family]:
    """Of the minute before the newest sample."""
    found: Mapping[str, int | None] = {}
    if sample is not None:
        ticks = Sample.objects.ticks().filter(at__gt=sample.at - RECENT, at__lte=sample.at)
        names = ("attempts", "failures", "ours", "accepted")
        found = ticks.aggregate(**{name: Sum(name) for name in names})
    counts = {name: n or 0 for name, n in found.items()}
    outcomes = counts and {
        "failed_theirs": counts["failures"],
        "failed_ours": counts["ours"],
        "other": counts["attempts"] - counts["failures"] - counts["ours"],
    }
    return [
        Family(
            "redrive_attempts_last_minute",
            "gauge",
            "Attempts that ended in the last minute, by whose fault they were.",
            [({"outcome": outcome}, n) for outcome, n in outcomes.items()],
        ),
        _one(
            "events_accepted_last_minute",
            "gauge",
            "Events accepted in the last minute.",
            counts.get("accepted"),
        ),
    ]


def _of_load() -> list[Family]:
    load = LoadLevel.objects.in_force()
    measures = load.measures
    commit = measures.get("commit")
    return [
        Family(
            "redrive_load_level",
            "gauge",
            "1 for the load level that is in force, 0 for the others.",
            [({"level": level}, float(level == load.level)) for level in Level],
        ),
        _one(
            "commit_seconds",
            "gauge",
            "Time of a small commit, which every publish waits for.",
            None if commit is None else commit / 1000,
        ),
        _one(
            "window_use_ratio",
            "gauge",
            "Part of the workers' windows that is in use.",
            measures.get("window"),
        ),
        _one(
            "disk_free_ratio",
            "gauge",
            "Part of the database's disk that is free; absent where it is not known.",
            measures.get("disk_free"),
        ),
    ]


def _of_lanes() -> list[Family]:
    """A row a subscription, as small as the configuration."""
    lanes = Lane.objects.filter(subscription__deleted_at=None)
    counts = Counter(dict(lanes.values_list("state").annotate(n=Count("pk"))))
    return [
        Family(
            "redrive_lanes",
            "gauge",
            "Lanes by the state of their breaker.",
            [({"breaker": state}, counts[state]) for state in BreakerState],
        )
    ]


def _of_tables() -> list[Family]:
    alive = Counter(Heartbeat.objects.alive().values_list("role", flat=True))
    standing = Counter(Finding.objects.standing().values_list("side", flat=True))
    letters = Signature.objects.filter(open__gt=0).aggregate(n=Sum("open"))["n"]
    return [
        Family(
            "redrive_processes",
            "gauge",
            "Processes whose heart beats, by role.",
            [({"role": role}, alive[role]) for role in Role],
        ),
        Family(
            "redrive_findings",
            "gauge",
            "Findings that stand, by whose side they are on.",
            [({"side": side}, standing[side]) for side in Side],
        ),
        _one("dead_letters_open", "gauge", "Dead letters to deal with.", letters or 0),
        _one("replays_running", "gauge", "Replays at work.", Replay.objects.running().count()),
        _one("fan_outs", "gauge", "Events with deliveries to make.", FanOut.objects.count()),
    ]


def _one(name: str, kind: str, words: str, value: float | None) -> Family:
    return Family(f"redrive_{name}", kind, words, [] if value is None else [({}, value)])


def _labels(labels: Labels) -> str:
    """The values are words of ours: no escape is needed, and none is made."""
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _is_near(request: HttpRequest) -> bool:
    """From this machine and from no further: behind a proxy everybody seems to be here."""
    forwarded = {"X-Forwarded-For", "Forwarded", "X-Real-Ip"} & set(request.headers)
    if settings.REDRIVE_TRUSTED_PROXIES or forwarded:
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _refusal(request: HttpRequest) -> Problem | None:
    header = request.headers.get("Authorization")
    caller = keyring.remembered(header) or keyring.check(header)
    if caller is None:
        return Problem(Code.UNAUTHORIZED, "Send Authorization: Bearer with an API key.")
    if Scope.READ not in caller.scopes:
        return Problem(Code.FORBIDDEN, "This key lacks the scope read.")
    if caller.tenant is not None:
        return Problem(Code.FORBIDDEN, "This key is a tenant's: the numbers are everybody's.")
    return None
