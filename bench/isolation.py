"""What bad endpoints cost the good ones, and how exact a rate limit is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from bench.measure import Line, compared, load, received, wait_for
from bench.stack import Stack

GOOD, BAD = 900, 100
TURNS = 5
HEAP = 500_000
RATES = (50, 200)
SPAN = 10.0
"""Seconds of a window in which a rate limit is held against what came."""


class Isolation:
    """Phases on a stack that is up; the receiver's `/hang` never answers, `/slow` after 10 s."""

    def __init__(self, stack: Stack, receiver: int) -> None:
        self._stack = stack
        self._receiver = receiver
        self._url = f"{stack.url}/api/v1/events"

    def lines(self) -> list[Line]:
        return [*self._limits(), *self._among_bad_ones(), *self._beside_a_heap()]

    def _limits(self) -> list[Line]:
        """A backlog behind each limit; the fullest and the emptiest window of ten seconds."""
        found = []
        for rate in RATES:
            kind = f"bench.rate{rate}"
            self._subscribe(f"/rate/{rate}", kind, rate_limit=rate)
            self._publish(kind, rate * 30)
        time.sleep(2 * SPAN + 5)
        arrivals = received(self._receiver, "arrivals")
        for rate in RATES:
            most, least = _windows(arrivals[f"/rate/{rate}"])
            words = f"{least / SPAN:.1f} to {most / SPAN:.1f}/s in any {SPAN:.0f} s"
            ratio = f"{least / SPAN / rate:.2f} to {most / SPAN / rate:.2f}"
            found.append(Line("rate limit, held", words, f"{rate}/s set", ratio))
        return found

    def _among_bad_ones(self) -> list[Line]:
        """A thousand subscriptions, a tenth of which answer late or never.

        By turns with the bad ones paused and with them: a machine's speed drifts, and events for
        the paused ones are stored all the same.
        """
        good = [self._subscribe(f"/good/{n}", "bench.many") for n in range(GOOD)]
        bad = [self._subscribe("/hang" if n % 2 else "/slow", "bench.many") for n in range(BAD)]
        found: dict[str, list[tuple[float, float]]] = {"pause": [], "resume": []}
        for _ in range(TURNS):
            for verb, measured in found.items():
                for sub in bad:
                    self._stack.api("POST", f"/subscriptions/{sub}/{verb}", {})
                measured.append((self._steady(), self._drained()))
        for sub in (*good, *bad):
            self._stack.api("DELETE", f"/subscriptions/{sub}")
        (alone_p99, alone), (among_p99, among) = (
            [statistics.median(column) for column in zip(*measured, strict=True)]
            for measured in found.values()
        )
        wait = Line(
            f"p99 of {GOOD} good endpoints among {BAD} bad",
            f"{among_p99:,.0f} ms",
            f"{alone_p99:,.0f} ms without the bad",
            f"{among_p99 / alone_p99:.2f}",
        )
        return [compared("their rate", among, alone, "without the bad"), wait]

    def _steady(self) -> float:
        """Milliseconds, p99, from publish to arrival at the good ones, one event a second."""
        before = len(received(self._receiver, "times"))
        goal = received(self._receiver, "count")["count"] + GOOD * 12
        common = {"url": self._url, "key": self._stack.key, "kind": "bench.many"}
        load(mode="steady", rate=1, seconds=12, **common)
        wait_for(lambda: received(self._receiver, "count")["count"] >= goal, "the good endpoints")
        waits = [(came - sent) / 1e6 for sent, came in received(self._receiver, "times")[before:]]
        return float(statistics.quantiles(waits, n=100)[98])

    def _drained(self) -> float:
        """Deliveries a second to the good ones from thirty events at once."""
        before = received(self._receiver, "count")["count"]
        began = time.perf_counter()
        self._publish("bench.many", 30)
        goal = before + GOOD * 30
        wait_for(lambda: received(self._receiver, "count")["count"] >= goal, "the good endpoints")
        return GOOD * 30 / (time.perf_counter() - began)

    def _beside_a_heap(self) -> list[Line]:
        """One event for one endpoint while another has half a million waiting."""
        heap = self._subscribe("/hang", "bench.heap", max_concurrency=10)
        self._publish("bench.heap", HEAP)
        self._subscribe("/beside", "bench.beside")
        before = len(received(self._receiver, "times"))
        common = {"url": self._url, "key": self._stack.key, "kind": "bench.beside"}
        load(mode="steady", rate=2, seconds=10, **common)
        wait_for(
            lambda: len(received(self._receiver, "times")) >= before + 20, "the other endpoint"
        )
        waits = [(came - sent) / 1e6 for sent, came in received(self._receiver, "times")[before:]]
        self._stack.api("POST", f"/subscriptions/{heap}/pause", {})
        words = f"p50 {statistics.median(waits):.1f}  max {max(waits):.1f} ms"
        return [Line(f"publish to received beside {HEAP:,} waiting", words)]

    def _publish(self, kind: str, many: int) -> None:
        common = {"url": self._url, "key": self._stack.key, "kind": kind}
        items = min(500, many)
        load(mode="batch", count=max(1, many // items), width=4, items=items, **common)

    def _subscribe(self, path: str, kind: str, **fields: object) -> str:
        url = f"http://127.0.0.1:{self._receiver}{path}"
        made = self._stack.api("POST", "/subscriptions", {"url": url, "types": [kind], **fields})
        return str(made["id"])


def _windows(arrivals: Sequence[int]) -> tuple[int, int]:
    """Most and fewest arrivals in ten seconds, from the first one on."""
    settled = [at / 1e9 for at in arrivals]
    last = settled[-1]
    counts, end = [], 0
    for start, at in enumerate(settled):
        if at + SPAN > last:
            break
        while end < len(settled) and settled[end] < at + SPAN:
            end += 1
        counts.append(end - start)
    return max(counts), min(counts)
