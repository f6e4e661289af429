"""How each state looks: one icon, one word, one tone, the same on every page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """`tone` names a pair of colours in static/css/tokens.css."""

    icon: str
    word: str
    tone: str


HEALTHY = Look("circle-check", "healthy", "healthy")
DEGRADED = Look("triangle-alert", "degraded", "degraded")
FAILING = Look("octagon-x", "failing", "failing")
OPEN = Look("zap-off", "open", "open")
HALF_OPEN = Look("circle-dot-dashed", "half-open", "half-open")
PARKED = Look("circle-parking", "parked", "parked")
DEAD = Look("archive-x", "dead", "dead")
PAUSED = Look("circle-pause", "paused", "paused")
DISABLED = Look("ban", "disabled", "disabled")
REPLAYING = Look("history", "replaying", "replaying")

_ANYWHERE = {
    "healthy": HEALTHY,
    "degraded": DEGRADED,
    "failing": FAILING,
    "down": Look("octagon-x", "down", "failing"),
    "open": OPEN,
    "half_open": HALF_OPEN,
    "closed": Look("circle-check", "closed", "healthy"),
    "parked": PARKED,
    "dead": DEAD,
    "paused": PAUSED,
    "disabled": DISABLED,
    "replaying": REPLAYING,
    "pending": Look("hourglass", "pending", "paused"),
    "in_flight": Look("send", "in flight", "parked"),
    "delivered": Look("circle-check", "delivered", "healthy"),
    "cancelled": Look("circle-slash", "cancelled", "disabled"),
    "active": Look("circle-check", "active", "healthy"),
    "running": Look("history", "running", "replaying"),
    "done": Look("circle-check", "done", "healthy"),
    "alive": Look("circle-check", "alive", "healthy"),
    "suspect": Look("triangle-alert", "late", "degraded"),
    "gone": Look("octagon-x", "gone", "failing"),
    "normal": Look("circle-check", "normal", "healthy"),
    "busy": Look("triangle-alert", "busy", "degraded"),
    "overloaded": Look("octagon-x", "overloaded", "failing"),
    "unknown": Look("circle-help", "unknown", "paused"),
    "replayed": Look("history", "replayed", "replaying"),
    "discarded": Look("trash-2", "discarded", "disabled"),
    "retry": Look("repeat", "retry", "degraded"),
    "expired": Look("timer", "expired", "disabled"),
    "revoked": Look("ban", "revoked", "disabled"),
    "ours": Look("server", "ours", "half-open"),
    "theirs": Look("waypoints", "theirs", "parked"),
    "acknowledged": Look("check", "acknowledged", "paused"),
    "silenced": Look("bell-off", "silenced", "disabled"),
    "cleared": Look("circle-check", "cleared", "healthy"),
    "ok": Look("circle-check", "ok", "healthy"),
    "missing": Look("circle-help", "missing", "failing"),
}

# A word that means another thing for another kind of subject.
_OF_KIND = {
    ("letter", "open"): DEAD,
    ("finding", "open"): Look("bell", "open", "failing"),
}


def look_of(state: str, kind: str = "") -> Look:
    """The look of a state; one that nobody described is shown by its own word."""
    known = _OF_KIND.get((kind, state)) or _ANYWHERE.get(state)
    return known or Look("circle-help", state.replace("_", " "), "paused")
