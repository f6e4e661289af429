"""The user that PostgreSQL runs as where root starts it: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.stack import console
from config.stack.failures import CannotStart

NAME = "redrive"


@dataclass(frozen=True, slots=True)
class Owner:
    """A system user by numbers."""

    uid: int
    gid: int


def owner_of_servers() -> Owner | None:
    """None where an ordinary user starts the stack. Raises CannotStart if none can be made."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        _make()
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        raise CannotStart(
            f"PostgreSQL does not run as root, and the system user {NAME} cannot be made: "
            "start as an ordinary user, or set DATABASE_URL."
        ) from None
    return Owner(entry.pw_uid, entry.pw_gid)


def private(path: Path, owner: Owner | None) -> None:
    """Makes a folder that only its owner can enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    if owner:
        os.chown(path, owner.uid, owner.gid)
    path.chmod(0o700)


def open_ways(*paths: Path) -> None:
    """Lets other users pass through the folders down to each path; it does not show what is in."""
    for folder in sorted({parent for path in paths for parent in (path, *path.parents)}):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if folder.is_dir() and not mode & stat.S_IXOTH:
            console.say(f"opening {folder} for passage by the user {NAME} (mode o+x)")
            folder.chmod(mode | stat.S_IXOTH)


def _make() -> None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program:
        options = ("--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin")
        subprocess.run([program, *options, NAME], capture_output=True, check=False)  # noqa: S603
