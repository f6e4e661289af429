"""The whole stack, as a person starts and stops it."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.stack.options import ROOT

STARTS_WITHIN = 60.0
STOPS_WITHIN = 15.0
STACK = ("-m", "config.stack")

_OURS = ("DATABASE_URL", "REDIS_URL")


class Stack:
    """One `python -m config.stack up` in a folder of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.port = _free_port()
        rest = {
            name: text
            for name, text in os.environ.items()
            if name not in _OURS and not name.startswith(("REDRIVE_", "DJANGO_"))
        }
        own = {"REDRIVE_PORT": str(self.port), "REDRIVE_WORKERS": "1"}
        self._environ = {**rest, "REDRIVE_DATA_DIR": str(folder), **own, **environ}
        self._log = folder.with_name("stack.log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *STACK, "up"], cwd=ROOT, env=self._environ, stdout=log, stderr=log
            )

    def ready(self, *, times: int = 1) -> str:
        """The output up to the ready line, which is awaited."""
        _until(
            lambda: self.output.count("Redrive is ready") == times or not self.runs, STARTS_WITHIN
        )
        assert self.runs, self.output
        return self.output

    def refused(self) -> str:
        """What a start that fails says on standard error."""
        ended = self._complete(*STACK, "up")
        assert ended.returncode == 1
        return ended.stderr

    def down(self) -> str:
        return self._complete(*STACK, "down").stdout

    def manage(self, *words: str) -> str:
        """The output of a command that is told nothing but the folder."""
        return self._complete("manage.py", *words).stdout

    def signal(self, number: signal.Signals) -> int:
        """Sends it and waits for the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOPS_WITHIN)

    def end(self) -> None:
        if self.runs:
            self.signal(signal.SIGTERM)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        return self._log.read_text()

    def processes(self) -> list[int]:
        """All that carry this folder in their environment or their command line."""
        found = [path for path in Path("/proc").glob("[0-9]*") if path.name != str(os.getpid())]
        return [int(path.name) for path in found if self._is_ours(path)]

    def _is_ours(self, path: Path) -> bool:
        mark = os.fsencode(self.folder)
        try:
            return mark in (path / "environ").read_bytes() + (path / "cmdline").read_bytes()
        except OSError:
            return False

    def _complete(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


MakeStack = Callable[..., Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    made: list[Stack] = []

    def make(name: str = "stack", **environ: str) -> Stack:
        parent = tmp_path / str(len(made))
        parent.mkdir()
        made.append(Stack(parent / name, **environ))
        return made[-1]

    yield make
    for stack in made:
        stack.end()


def test_a_stack_comes_up_says_its_credentials_once_and_goes_down_clean(
    make_stack: MakeStack,
) -> None:
    stack = make_stack()
    stack.start()
    first = stack.ready()
    mode = stat.S_IMODE((stack.folder / "credentials").stat().st_mode)
    running = stack.processes()

    code = stack.signal(signal.SIGINT)

    assert f"Redrive is ready at http://127.0.0.1:{stack.port}\n" in first
    assert re.search(r"rdk_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", first)
    assert "REDRIVE_ALLOW_ADDRESSES was not set" in first
    assert mode == 0o600
    assert len(running) >= 6
    assert (code, stack.processes()) == (0, [])

    stack.start()
    stack.ready(times=2)
    assert stack.output.count("Sign in as admin") == 1
    assert stack.manage("createkey", "billing", "--scope", "publish").startswith("rdk_")
    assert "is stopped" in stack.down()
    assert stack.processes() == []


def test_nothing_outlives_a_supervisor_that_is_killed(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.start()
    stack.ready()

    stack.signal(signal.SIGKILL)

    _until(lambda: stack.processes() == [], STOPS_WITHIN)


def test_a_taken_folder_and_a_taken_port_are_refused(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.start()
    stack.ready()
    other = make_stack(REDRIVE_PORT=str(stack.port))

    assert "already: stop it with `make down`" in stack.refused()
    assert f"Port {stack.port} of 127.0.0.1 is taken" in other.refused()


def test_data_of_another_postgres_is_refused(make_stack: MakeStack) -> None:
    stack = make_stack()
    (stack.folder / "postgres").mkdir(parents=True)
    (stack.folder / "postgres" / "PG_VERSION").write_text("17\n")

    assert "was made by PostgreSQL 17, and this is PostgreSQL 18" in stack.refused()


def test_a_folder_that_cannot_be_made_is_refused(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.folder.write_text("in the way")

    assert f"The folder {stack.folder} cannot be written to" in stack.refused()


def test_a_path_too_long_for_a_socket_and_a_stale_note_are_no_obstacle(
    make_stack: MakeStack,
) -> None:
    stack = make_stack("long" * 30)
    stack.start()
    stack.ready()
    stack.end()
    # As a crash leaves it, when the number has long been given to another process.
    (stack.folder / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{stack.folder}/postgres\n1\n5432\n/nowhere\n\n1 1\nready\n"
    )

    stack.start()

    stack.ready(times=2)


def test_an_unreachable_database_is_named_without_its_password(make_stack: MakeStack) -> None:
    port = _free_port()
    stack = make_stack(DATABASE_URL=f"postgresql://me:secret@127.0.0.1:{port}/redrive")
    stack.start()

    _until(lambda: f"waiting for the database at 127.0.0.1:{port}" in stack.output, 10.0)

    assert "secret" not in stack.output
    assert "postgres   |" not in stack.output
    assert stack.signal(signal.SIGTERM) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
