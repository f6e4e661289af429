"""Becomes a supervised process: `child.py SIGNAL PARENT UID:GID PROGRAM ARGUMENT…`.

It drops to the user, asks the kernel for the signal when the supervisor dies, and becomes the
program. Run as a file, not as a module: it starts in milliseconds and imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    number, parent, user, *command = sys.argv[1:]
    if user != ":":
        uid, gid = (int(part) for part in user.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After the change of user, which would clear it again.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    # The supervisor may have died before the kernel was asked.
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main()
