"""One log for all processes: each line with the name of its source, in colour on a terminal."""

from __future__ import annotations

import sys

COLOURS = {
    "redrive": "1",
    "postgres": "34",
    "valkey": "36",
    "prepare": "37",
    "web": "32",
    "worker": "33",
    "dispatcher": "35",
    "demo": "96",
}
WIDTH = max(map(len, COLOURS))


def say(words: str) -> None:
    """A line of the supervisor's own."""
    show("redrive", words)


def show(name: str, line: str) -> None:
    label = f"{name:<{WIDTH}} |"
    if sys.stdout.isatty():
        label = f"\x1b[{COLOURS.get(name, '0')}m{label}\x1b[0m"
    announce(f"{label} {line}")


def announce(line: str) -> None:
    """A line without a name. A terminal that is gone must not stop the processes."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError:
        return


def complain(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
