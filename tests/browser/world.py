"""What the stack of the browser tests holds: something for every page to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.stack import Stack
from tests.receiver import Receiver

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@dataclass(frozen=True, slots=True)
class World:
    """Public ids, and the paths of pages made of them."""

    good: str
    failing: str
    picky: str
    nasty: str
    event: str
    nasty_event: str
    delivery: str
    dead: str
    group: str
    replay: str

    @property
    def pages(self) -> Sequence[str]:
        """Every page that a viewer may open."""
        return [
            *("/", "/?range=24h", "/start/", "/events/", "/events/?type=no.such"),
            *(f"/events/{self.event}/", f"/events/{self.nasty_event}/"),
            f"/events/{self.event}/missed/",
            *("/subscriptions/", f"/subscriptions/{self.good}/", f"/subscriptions/{self.failing}/"),
            *(
                "/deliveries/",
                f"/deliveries/{self.delivery}/",
                f"/deliveries/{self.dead_delivery}/",
            ),
            *("/dead-letters/", "/dead-letters/all/", f"/dead-letters/{self.dead}/"),
            *(
                f"/dead-letters/groups/{self.group}/",
                "/replays/",
                f"/replays/{self.replay}/",
                f"/replays/{self.replay}/left-out/",
                f"/replays/{self.replay}/settled/",
                "/bulk/",
            ),
            *("/health/", "/alerts/", "/drills/", "/audit/", "/settings/", "/search/?q=shop"),
        ]

    @property
    def detail_pages(self) -> Sequence[str]:
        """Those that show an operator more than a viewer."""
        return [
            *(f"/events/{self.event}/", f"/subscriptions/{self.failing}/"),
            f"/events/{self.event}/missed/",
            *("/deliveries/", f"/deliveries/{self.delivery}/", f"/dead-letters/{self.dead}/"),
            *("/dead-letters/", f"/dead-letters/groups/{self.group}/", "/alerts/", "/drills/"),
        ]

    @property
    def operator_pages(self) -> Sequence[str]:
        amend = f"/dead-letters/{self.dead}/amend/"
        query = f"?source=dead_letters&subscription={self.failing}"
        return [
            "/replays/new/",
            f"/replays/new/{query}",
            f"/replays/new/counted/{query}",
            "/deliveries/bulk/?verb=cancel&all=1",
            f"/dead-letters/discard/?subscription={self.failing}",
            "/debugger/",
            amend,
        ]

    @property
    def admin_pages(self) -> Sequence[str]:
        edit, delete = (f"/subscriptions/{self.good}/{verb}/" for verb in ("edit", "delete"))
        return ["/subscriptions/new/", edit, delete, "/keys/", "/users/", "/rehearsal/"]

    @property
    def dead_delivery(self) -> str:
        return self.dead.replace("dlq_", "dlv_")


def subscribe(stack: Stack, url: str, kind: str, **fields: Any) -> str:
    """A subscription to one type of events; its id."""
    made = stack.api("POST", "/subscriptions", {"url": url, "types": [kind], **fields})
    return str(made["id"])


def publish(stack: Stack, kind: str, **fields: Any) -> str:
    """One event; its id."""
    body = {"type": kind, "source": "shop", "data": {"n": 1}, **fields}
    return str(stack.api("POST", "/events", body)["id"])


def publish_many(stack: Stack, kind: str, many: int) -> None:
    stack.api("POST", "/events", [{"type": kind, "data": {"n": n}} for n in range(many)])


def dead_letters(stack: Stack, subscription: str) -> list[dict[str, Any]]:
    found = stack.api("GET", f"/dead-letters?subscription={subscription}")
    return list(found["data"])


def deliveries(stack: Stack, subscription: str, state: str = "") -> list[dict[str, Any]]:
    query = f"subscription={subscription}" + (f"&state={state}" if state else "")
    return list(stack.api("GET", f"/deliveries?{query}")["data"])


def make_world(stack: Stack, endpoint: Receiver) -> World:
    """One of everything: delivered, dead, unwanted, hostile, and a replay."""
    good = subscribe(stack, endpoint.url("/ok"), "order.paid", name="Shop: bookkeeping")
    failing = subscribe(
        *(stack, endpoint.url("/status/503"), "parcel.**"), name="Shop: courier", schedule=[]
    )
    picky = subscribe(
        stack, endpoint.url("/ok"), "order.paid", name="Shop: large", filter="data.total > 100"
    )
    nasty = subscribe(stack, endpoint.url("/ok"), "nasty.**", name=NASTY)
    subscribe(
        stack, endpoint.url("/ok/with/no/blank/to/break/at"), "wide.type_with_no_blank_either"
    )
    event = publish(stack, "order.paid", data={"total": 40}, subject="order 1001")
    nasty_event = publish(stack, "nasty.one", subject=NASTY, source=NASTY, data={NASTY: NASTY})
    for number in range(3):
        publish(stack, "parcel.sent", data={"n": number})
    await_(lambda: len(dead_letters(stack, failing)) == 3)
    await_(lambda: bool(deliveries(stack, good, "delivered")))
    dead = dead_letters(stack, failing)[0]
    order = {"source": "events", "criteria": {"ids": [event]}, "target": good}
    replay = stack.api("POST", "/replays", order)
    return World(
        good=good,
        failing=failing,
        picky=picky,
        nasty=nasty,
        event=event,
        nasty_event=nasty_event,
        delivery=deliveries(stack, good)[0]["id"],
        dead=dead["id"],
        group=dead["group"],
        replay=replay["id"],
    )


def await_(holds: Callable[[], bool], within: float = 20.0) -> None:
    """For what no page shows."""
    ends = time.monotonic() + within
    while not holds():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.05)
