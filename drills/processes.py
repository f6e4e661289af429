"""The processes of a stack: which role each has, and what it holds."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import psutil

MARKS: dict[str, Callable[[list[str]], bool]] = {
    "web": lambda words: any("granian" in word for word in words[:3]),
    "worker": lambda words: any("celery" in word for word in words[:3]),
    "dispatcher": lambda words: "dispatch" in words,
    "redis": lambda words: any("valkey-server" in word for word in words[:1]),
    "postgres": lambda words: any(word.endswith("/postgres") for word in words[:1]),
}

OURS = ("web", "web child", "worker", "worker child", "dispatcher")

GROWTH, HANDLES, MEMORY = 1.5, 300, 64 * 1024 * 1024
"""What a process may come to hold: so many times what it held in the beginning, and so much more.

A new one warms up, and whoever delivers has a connection for each send of a window that was full;
that may be a dispatcher, too.
"""


def role_of(process: psutil.Process) -> str:
    """What a process of the stack is, told by its command line; the first of a family only."""
    try:
        words, parent = process.cmdline(), process.parent()
        above = parent.cmdline() if parent else []
    except psutil.Error:
        return ""
    for role, mark in MARKS.items():
        if mark(words) and not mark(above):
            return role
    return ""


def send(process: psutil.Process, number: signal.Signals) -> None:
    """A signal, if there is still somebody to get it."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def family(pid: int) -> set[int]:
    """A process and all that it started."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return set()
    return {pid, *(child.pid for child in children)}


@dataclass(frozen=True, slots=True)
class Use:
    """How many processes a role has, and the most that one of them holds."""

    processes: int
    handles: int
    memory: int


def use_of(found: Sequence[psutil.Process]) -> Use:
    """Of processes that may end while they are looked at."""
    handles, memory = [0], [0]
    for process in found:
        try:
            handles.append(process.num_fds())
            memory.append(process.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return Use(len(handles) - 1, max(handles), max(memory))


def grown(first: Mapping[str, Use], now: Mapping[str, Use]) -> Iterable[str]:
    """(l) All are up, and none holds much more than in the beginning."""
    for role, before in first.items():
        after = now[role]
        if after.processes < before.processes:
            yield f"{after.processes} of {before.processes} {role} processes are up"
        if after.handles > GROWTH * before.handles + HANDLES:
            yield f"a {role} process has {after.handles} handles, {before.handles} at first"
        if after.memory > GROWTH * before.memory + MEMORY:
            yield f"a {role} process has {_mb(after.memory)}, {_mb(before.memory)} at first"


def _mb(size: int) -> str:
    return f"{size // 1024**2} MB"
