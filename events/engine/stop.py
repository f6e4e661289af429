"""A flag that a worker's parent process raises for its children: claim no more."""

from __future__ import annotations

import mmap

# Anonymous shared memory, made when the parent imports this: its forked children see one byte.
_flag = mmap.mmap(-1, 1)


def stop() -> None:
    _flag[0] = 1


def stopping() -> bool:
    return _flag[0] == 1
