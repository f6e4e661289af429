"""Runs the suite on a stack of its own and prints what it did beside what was possible.

Nothing here is asserted: machines differ. The ratio to a ceiling measured in the same run is what
can be compared from one run to the next. Every phase is bounded; all take nine minutes.
`make bench ARGS="deliveries isolation"` runs these two.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.isolation import Isolation
from bench.measure import Line, compared, load, received, table, wait_for
from bench.sockets import Sockets
from bench.stack import Stack, free_port

LANES = 10
DELIVERIES = 60_000


class Bench:
    """One run: a stack, a receiver, and what was measured."""

    def __init__(self, stack: Stack, receiver: int) -> None:
        self._stack = stack
        self._receiver = receiver
        self.lines: list[Line] = []
        self._url = f"{stack.url}/api/v1/events"

    def publishes(self) -> None:
        """Single publishes and batches, with nobody subscribed."""
        common = {"key": self._stack.key, "kind": "bench.nobody"}
        with self._stack.bare() as bare:
            ceiling = load(
                mode="single", url=bare, count=12_000, width=64, items=1, key="-", kind="bench"
            )
        singles = load(mode="single", url=self._url, count=12_000, width=64, items=1, **common)
        self.lines.append(compared("single publish", singles, ceiling, "bare ASGI handler"))
        batches = load(mode="batch", url=self._url, count=120, width=4, items=500, **common)
        self.lines.append(Line("events in batches of 500", f"{batches:,.0f}/s"))

    def deliveries(self) -> None:
        """A backlog for several endpoints, drained."""
        command = [sys.executable, "-m", "bench.ceiling", f"http://127.0.0.1:{self._receiver}/c"]
        run = subprocess.run([*command, "30000", "128"], check=True, capture_output=True, text=True)
        ceiling = float(run.stdout)
        spread = self._drain("bench.drain", LANES)
        line = compared(f"deliveries to {LANES} endpoints", spread, ceiling, "bare pyreqwest")
        self.lines.append(line)
        hot = self._drain("bench.hot", 1)
        self.lines.append(compared("deliveries to 1 endpoint", hot, spread, f"{LANES} endpoints"))

    def _drain(self, kind: str, lanes: int) -> float:
        """Deliveries a second from a backlog for that many endpoints."""
        subs = [self._subscribe(f"/{kind}/{n}", kind) for n in range(lanes)]
        for sub in subs:
            self._stack.api("POST", f"/subscriptions/{sub}/pause", {})
        common = {"key": self._stack.key, "kind": kind, "url": self._url}
        load(mode="batch", count=DELIVERIES // lanes // 500, width=2, items=500, **common)
        before = received(self._receiver, "count")["count"]
        began = time.perf_counter()
        for sub in subs:
            self._stack.api("POST", f"/subscriptions/{sub}/resume", {})
        goal = before + DELIVERIES
        wait_for(lambda: received(self._receiver, "count")["count"] >= goal, "the drain")
        return DELIVERIES / (time.perf_counter() - began)

    def latency(self) -> None:
        """From the producer's send to the receiver's arrival, at a steady 200 a second."""
        self._subscribe("/latency", "bench.steady")
        load(
            mode="steady",
            url=self._url,
            key=self._stack.key,
            kind="bench.steady",
            rate=200,
            seconds=2,
        )
        start = len(received(self._receiver, "times"))
        load(
            mode="steady",
            url=self._url,
            key=self._stack.key,
            kind="bench.steady",
            rate=200,
            seconds=10,
        )
        goal = start + 2_000
        wait_for(lambda: len(received(self._receiver, "times")) >= goal, "the steady load")
        times = received(self._receiver, "times")[start:]
        waits = sorted((arrived - sent) / 1e6 for sent, arrived in times)
        cuts = statistics.quantiles(waits, n=100)
        found = f"p50 {cuts[49]:.1f}  p95 {cuts[94]:.1f}  p99 {cuts[98]:.1f} ms"
        self.lines.append(Line("publish to received at 200/s", found))

    def overviews(self) -> None:
        """Many open overviews on one web process."""
        self.lines += Sockets(self._stack).lines()

    def isolation(self) -> None:
        """What bad endpoints cost the good ones."""
        self.lines += Isolation(self._stack, self._receiver).lines()

    def _subscribe(self, path: str, kind: str) -> str:
        fields = {
            "url": f"http://127.0.0.1:{self._receiver}{path}",
            "types": [kind],
            "max_concurrency": 1_000,
        }
        return str(self._stack.api("POST", "/subscriptions", fields)["id"])


PHASES: dict[str, Callable[[Bench], None]] = {
    "publishes": Bench.publishes,
    "latency": Bench.latency,
    "deliveries": Bench.deliveries,
    "overviews": Bench.overviews,
    "isolation": Bench.isolation,
}


def main() -> None:
    """The phases that are asked for, or every one, on one fresh stack."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("phase", nargs="*", choices=[[], *PHASES], help="leave out for all")
    asked = parser.parse_args().phase or PHASES
    receiver = free_port()
    with TemporaryDirectory(prefix="redrive-bench-") as folder:
        sink = subprocess.Popen([sys.executable, "-m", "bench.receiver", str(receiver)])
        try:
            with Stack(Path(folder), workers=os.cpu_count() or 1) as stack:
                bench = Bench(stack, receiver)
                for phase in asked:
                    PHASES[phase](bench)
        finally:
            sink.terminate()
            sink.wait()
    print(table(bench.lines))
    print(f"{os.cpu_count()} cores, shared by Redrive, PostgreSQL, the producer and the receiver.")


if __name__ == "__main__":
    main()
