"""The pages of the console: the navigation shows them in this order, and the search finds them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from events.roles import Role


@dataclass(frozen=True, slots=True)
class Link:
    """`key` follows `g` on the keyboard; `current` is what `aria-current` says, or nothing."""

    path: str
    icon: str
    word: str
    key: str = ""
    least: Role = Role.VIEWER
    current: str = ""


GROUPS: list[tuple[str, list[Link]]] = [
    (
        "Flow",
        [
            Link("/", "layout-dashboard", "Overview", "o"),
            Link("/events/", "inbox", "Events", "e"),
            Link("/subscriptions/", "waypoints", "Subscriptions", "s"),
            Link("/deliveries/", "send", "Deliveries", "d"),
            Link("/dead-letters/", "archive-x", "Dead letters", "l"),
            Link("/replays/", "history", "Replays", "r"),
            Link("/bulk/", "repeat", "Bulk jobs"),
        ],
    ),
    (
        "Operations",
        [
            Link("/health/", "heart-pulse", "Health", "h"),
            Link("/alerts/", "bell", "Alerts", "a"),
            Link("/drills/", "flask-conical", "Drills"),
            Link("/audit/", "scroll-text", "Audit log"),
            Link("/debugger/", "shield-check", "Signature debugger", least=Role.OPERATOR),
        ],
    ),
    (
        "Administration",
        [
            Link("/keys/", "key-round", "API keys", least=Role.ADMIN),
            Link("/users/", "users", "Users", least=Role.ADMIN),
            Link("/settings/", "sliders-horizontal", "Settings"),
            Link("/rehearsal/", "flask-conical", "Rehearsal", least=Role.ADMIN),
            Link("/start/", "book-open", "Guide"),
        ],
    ),
]


def nav(path: str, role: Role) -> list[tuple[str, list[Link]]]:
    """What `role` may open, with the page that `path` is, or is below, marked."""
    return [
        (
            name,
            [replace(link, current=_current(link, path)) for link in links if role >= link.least],
        )
        for name, links in GROUPS
    ]


def _current(link: Link, path: str) -> str:
    if path == link.path:
        return "page"
    return "true" if link.path != "/" and path.startswith(link.path) else ""
