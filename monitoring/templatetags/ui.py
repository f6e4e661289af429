"""What templates need to say ages, counts, shares and durations the same way everywhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from events.rules import ids
from events.rules.ids import Prefix
from monitoring.lanes import Health, day_of, health_of
from monitoring.looks import Look, look_of
from monitoring.strips import Strip, strips_of

register = template.Library()

NOTHING = "\N{EN DASH}"
"""Stands where there is no value."""

DRAIN_MOST = 100 * 86_400.0

_UNITS = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s")]
_SHORT = [(1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")]

_PAGES = {
    Prefix.EVENT: "events",
    Prefix.SUBSCRIPTION: "subscriptions",
    Prefix.DELIVERY: "deliveries",
    Prefix.DEAD_LETTER: "dead-letters",
    Prefix.REPLAY: "replays",
    Prefix.BULK: "bulk",
}


@register.filter
def look(state: str, kind: str = "") -> Look:
    """The icon, word and tone of a state."""
    return look_of(str(state), kind)


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """`850 ms`, `24 s`, `3 min`, `2 h 5 min`, `4 d`: two units at most."""
    if seconds is None:
        return NOTHING
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
    if total < 1:
        return f"{max(total, 0) * 1000:.0f} ms" if total >= 0.001 else "0 s"
    size, unit = next((size, unit) for size, unit in _UNITS if total >= size)
    whole = int(total // size)
    smaller = next(((s, u) for s, u in _UNITS if s < size), None)
    if unit == "s" or whole >= 10 or smaller is None:
        return f"{whole} {unit}"
    rest = int((total - whole * size) // smaller[0])
    return f"{whole} {unit} {rest} {smaller[1]}" if rest else f"{whole} {unit}"


@register.filter
def ms(milliseconds: float | None) -> str:
    """Milliseconds as a duration: `12 ms`, `1.2 s`."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms" if milliseconds >= 1 else f"{milliseconds:.1f} ms"
    return (
        f"{milliseconds / 1_000:.1f} s" if milliseconds < 60_000 else duration(milliseconds / 1e3)
    )


@register.filter
def age(moment: datetime | None) -> str:
    """`now`, `3 min ago`, `in 24 s`."""
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    size, unit = next((size, unit) for size, unit in _UNITS if abs(seconds) >= size)
    words = f"{int(abs(seconds) // size)} {unit}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


@register.filter
def elapsed(moment: datetime) -> str:
    """`48 s`, for "for 48 s"."""
    return age(moment).removesuffix(" ago")


@register.filter
def iso(moment: datetime) -> str:
    """For `datetime=`: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@register.filter
def moment(moment: datetime) -> str:
    """`2026-11-24 03:12:07 UTC`, in the zone that the reader chose."""
    local = timezone.localtime(moment)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


@register.filter
def clock(moment: datetime) -> str:
    """`03:12:07`, in the zone that the reader chose."""
    return f"{timezone.localtime(moment):%H:%M:%S}"


@register.filter
def short(number: float | None) -> str:
    """`12.4k`, `3.1M`; below ten thousand as it is. Rounds down, so that it never says too much."""
    if number is None:
        return NOTHING
    if abs(number) < 10_000:
        return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"
    size, letter = next((size, letter) for size, letter in _SHORT if abs(number) >= size)
    tenths = int(number * 10 // size)
    return f"{tenths // 10}{letter}" if tenths >= 1_000 else f"{tenths / 10:.1f}{letter}"


@register.filter
def rate(number: float | None) -> str:
    """A number that need not be whole: `0`, `0.4`, `8.2`, `412`, `12.4k`."""
    if number is None:
        return NOTHING
    return f"{number:.1f}" if 0 < number < 10 else short(round(number))


@register.filter
def exact(number: float | None) -> str:
    """`12,431`."""
    return "" if number is None else f"{number:,}"


@register.filter
def percent(share: float | None) -> str:
    """A share of 1 as `99.98 %`; 100 and 0 are said only when they are exact."""
    if share is None:
        return NOTHING
    if 0 < share < 1:
        text = f"{min(max(share * 100, 0.01), 99.99):.2f}".rstrip("0").rstrip(".")
        return f"{text} %"
    return f"{share * 100:.0f} %"


@register.filter
def public(identifier: UUID, prefix: str) -> str:
    """The public form of an id: `{{ delivery.event|public:"evt" }}`."""
    return ids.encode(Prefix(prefix), identifier)


@register.filter
def short_id(public_id: str) -> str:
    """`dlv_…M0C1D8E`: the end of an id tells two of them apart, its start is the time."""
    prefix, _, rest = public_id.partition("_")
    return f"{prefix}_…{rest[-7:]}" if len(rest) > 12 else public_id


@register.filter
def page_of(public_id: str) -> str:
    """The page of what an id names; empty for a kind without a page."""
    kind = public_id.partition("_")[0]
    return f"/{_PAGES[Prefix(kind)]}/{public_id}/" if kind in _PAGES else ""


@register.filter
def text(data: bytes | memoryview | str | None) -> str:
    """Bytes of anybody's making as text: what is not UTF-8 shows as the replacement sign."""
    if data is None:
        return ""
    return data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")


@register.filter
def coded(words: str) -> SafeString:
    """Words in which `backticks` mark code, as HTML."""
    parts = words.split("`")
    return format_html_join(
        "",
        "{}",
        ((format_html("<code>{}</code>", p) if i % 2 else p,) for i, p in enumerate(parts)),
    )


@register.filter
def host(url: str) -> str:
    """`api.example.com:8443` of a URL, for where the whole is too long."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2] or url


@register.simple_tag
def lane_health(subscriptions: Collection[UUID]) -> Mapping[UUID, Health]:
    """The last hour of each of these subscriptions, in one query."""
    return health_of(subscriptions, timezone.now())


@register.simple_tag
def lane_strips(subscriptions: Collection[UUID]) -> Mapping[UUID, Strip]:
    """The last day of each of these subscriptions, in one query."""
    return strips_of(subscriptions, timezone.now())


@register.filter
def drain(owed: int, rate: float) -> timedelta | None:
    """How long what is owed takes at a rate a second; None where nothing moves."""
    return timedelta(seconds=min(owed / rate, DRAIN_MOST)) if rate else None


@register.inclusion_tag("ui/heat_strip.html")
def heat_strip(subscription: UUID) -> dict[str, object]:
    """The last day of a subscription in quarters of an hour."""
    cells = day_of(subscription, timezone.now())
    return {"cells": [(place * 6, cell) for place, cell in enumerate(cells)]}
