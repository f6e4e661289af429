"""A worker that hears no hints is told apart from one that has nothing to hear."""

from __future__ import annotations

from events.engine.ears import ENDS_AFTER, HINTS, Ears
from events.models import Heartbeat

LONG = ENDS_AFTER + 1


def process(name: str, worker: str, *, heard: int, doing: str = "idle") -> Heartbeat:
    return Heartbeat(name=name, doing=doing, load={"heard": heard, "worker": worker})


def both(one: int, other: int, **fields: str) -> list[Heartbeat]:
    """Two workers, the first with two processes."""
    return [
        process("1", "a", heard=0),
        process("2", "a", heard=one, **fields),
        process("3", "b", heard=other),
    ]


def test_one_that_hears_nothing_of_what_another_hears_is_deaf() -> None:
    ears = Ears()
    ears.listen(both(1, 1))
    ears.asked(HINTS, now=0.0)
    ears.listen(both(1, 2))
    ears.asked(HINTS, now=LONG)
    assert ears.deaf(LONG) == ["a"]
    assert ears.unanswered(LONG) == 0.0


def test_if_none_hears_it_is_known_for_how_long() -> None:
    ears = Ears()
    ears.listen(both(1, 1))
    ears.asked(1, now=0.0)
    assert ears.unanswered(40.0) == 40.0
    assert ears.deaf(40.0) == []


def test_a_worker_hears_for_its_processes() -> None:
    ears = Ears()
    ears.listen(both(1, 1))
    ears.asked(HINTS, now=0.0)
    ears.listen(both(2, 1))
    assert ears.deaf(LONG) == ["b"]


def test_few_hints_say_nothing_and_neither_does_a_short_time() -> None:
    ears = Ears()
    ears.listen(both(1, 1))
    ears.asked(HINTS - 1, now=0.0)
    assert ears.deaf(LONG) == []
    ears.asked(1, now=1.0)
    assert ears.deaf(ENDS_AFTER) == []


def test_one_that_sends_hears() -> None:
    ears = Ears()
    ears.listen(both(1, 1))
    ears.asked(HINTS, now=0.0)
    ears.listen(both(1, 1, doing="pumping"))
    assert ears.deaf(LONG) == ["b"]


def test_a_broker_that_takes_nothing_makes_nobody_deaf() -> None:
    ears = Ears()
    ears.listen(both(1, 1))
    ears.asked(HINTS, now=0.0)
    ears.refused()
    ears.asked(1, now=LONG)
    assert ears.deaf(2 * LONG) == []
    assert ears.unanswered(LONG + 5) == 5.0


def test_one_that_is_started_anew_is_another() -> None:
    ears = Ears()
    ears.listen(both(1, 1))
    ears.asked(HINTS, now=0.0)
    ears.listen([process("9", "c", heard=0)])
    assert ears.deaf(LONG) == []
