"""How long each page of the console takes over a large log: `python -m bench.pages`.

Fills a stack of its own with `manage.py seed` (a million events, 200,000 of them dead, unless told
otherwise), then asks for each page again and again, one request at a time, and prints the times as
a client sees them. It takes a few minutes.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

from bench.measure import Line, table
from bench.stack import Stack

TRIES = 40
LIMIT = 100.0
"""Milliseconds that 95 of 100 requests of a page should stay below."""

OFTEN = 300
OVERVIEW = 50.0
"""Milliseconds that 99 of 100 requests of the overview should stay below."""

PLAIN = (
    *("/", "/?range=24h", "/events/", "/events/?type=seeded.3", "/events/?q=seeded"),
    *("/subscriptions/", "/deliveries/", "/deliveries/?state=dead", "/deliveries/?status=404"),
    *("/dead-letters/", "/dead-letters/all/", "/replays/", "/bulk/", "/audit/", "/health/"),
    *("/alerts/", "/drills/", "/settings/", "/keys/", "/users/", "/start/", "/rehearsal/"),
    *("/search/?q=seeded", "/replays/new/", "/replays/new/?source=dead_letters"),
    *("/replays/new/?source=dead_letters&since=24h", "/dead-letters/discard/"),
    "/replays/new/?source=dead_letters&type=order.paid",
    *(f"/replays/new/counted/?source=dead_letters&part={part}" for part in ("sent", "delivered")),
)
FOUND_ON = {
    "/events/": r"/events/evt_\w+/",
    "/subscriptions/": r"/subscriptions/sub_\w+/",
    "/deliveries/?state=dead": r"/deliveries/dlv_\w+/",
    "/dead-letters/": r"/dead-letters/groups/[\w-]+/",
    "/dead-letters/all/": r"/dead-letters/dlq_\w+/",
}
"""Pages of one thing, by the list that links to it."""


class Visitor:
    """An admin, who asks for pages."""

    def __init__(self, stack: Stack) -> None:
        [session] = stack.sessions(1, "admin")
        self._url = stack.url
        self._cookie = {"cookie": f"redrive={session}"}

    def text(self, path: str) -> str:
        with urlopen(Request(self._url + path, headers=self._cookie), timeout=60) as answer:  # noqa: S310
            return str(answer.read().decode())

    def pages(self) -> Iterator[str]:
        yield from PLAIN
        for listed, form in FOUND_ON.items():
            if found := re.search(form, self.text(listed)):
                yield found[0]
        yield from self.dry_runs()

    def dry_runs(self) -> Iterator[str]:
        """Ways into a replay: a group's, a subscription's, an hour's, and events sent again."""
        group = re.search(r"/dead-letters/groups/([\w-]+)/", self.text("/dead-letters/"))
        to = re.search(r"/subscriptions/(sub_\w+)/", self.text("/subscriptions/"))
        if group and to:
            letters = "/replays/new/?source=dead_letters"
            yield from (f"{letters}&group={group[1]}", f"{letters}&subscription={to[1]}")
            yield from (f"{letters}&since=1h", f"{letters}&target={to[1]}")
            sent = letters.replace("new/", "new/counted/")
            yield from (f"{sent}&target={to[1]}", f"{sent}&target={to[1]}&part=delivered")
            yield from (
                f"/replays/new/?source=events&target={to[1]}&since={ago}" for ago in ("1h", "24h")
            )

    def times(self, path: str, tries: int = TRIES) -> list[float]:
        """Milliseconds of each try; the first one, which may fill a cache, is left out."""
        self.text(path)
        found = []
        for _ in range(tries):
            began = time.perf_counter()
            self.text(path)
            found.append((time.perf_counter() - began) * 1000)
        return found


def measured(visitor: Visitor) -> Iterator[Line]:
    for path in visitor.pages():
        cuts = statistics.quantiles(visitor.times(path), n=20)
        shown = re.sub(r"_\w{20,}", "_…", path)
        words = f"p50 {cuts[9]:.0f}  p95 {cuts[18]:.0f} ms"
        yield Line(shown, words, f"{LIMIT:.0f} ms", f"{cuts[18] / LIMIT:.2f}")
    p99 = statistics.quantiles(visitor.times("/", OFTEN), n=100)[98]
    yield Line("/", f"p99 {p99:.0f} ms", f"{OVERVIEW:.0f} ms", f"{p99 / OVERVIEW:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.pages")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--dead", type=int, default=200_000)
    options = parser.parse_args()
    with (
        TemporaryDirectory(prefix="redrive-pages-") as folder,
        Stack(Path(folder), workers=1) as stack,
    ):
        amounts = ("--events", str(options.events), "--dead", str(options.dead))
        print(stack.manage("seed", *amounts, "--yes").splitlines()[-1], flush=True)
        print(table(list(measured(Visitor(stack)))))


if __name__ == "__main__":
    main()
