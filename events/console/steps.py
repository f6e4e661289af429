"""What a person can do about a wait, and whose side it is on."""

from __future__ import annotations

from dataclasses import dataclass

from events.rules.waiting import Wait, WaitKind

OURS, THEIRS = "ours", "theirs"


@dataclass(frozen=True, slots=True)
class Step:
    """`side` is empty where nobody is at fault; `words` say what ends the wait sooner."""

    wait: Wait
    side: str
    words: str


_STEPS = {
    WaitKind.ANSWER: ("", "Its answer, or its timeout, decides."),
    WaitKind.DELETED: ("", "Nothing to do."),
    WaitKind.PAUSED: ("", "Resume the subscription."),
    WaitKind.DISABLED: (THEIRS, "Send the endpoint a test; enable it when it is back."),
    WaitKind.ORDER: ("", "If the one before can't succeed, cancel it and this one follows."),
    WaitKind.BREAKER: (THEIRS, "Close the breaker to send at once, if the endpoint is back."),
    WaitKind.DUE: (THEIRS, "Retry it now, if the endpoint is back."),
    WaitKind.CONCURRENCY: ("", "Raise its concurrency, if the endpoint can take more at a time."),
    WaitKind.RATE: ("", "Raise its rate, if the endpoint can take more."),
    WaitKind.WORKER: (OURS, "If it stays so, see Health: is a worker running?"),
}


def step_of(wait: Wait | None) -> Step | None:
    """None for a delivery that waits for nothing."""
    return None if wait is None else Step(wait, *_STEPS[wait.kind])
