"""The supervisor: when it starts a process again, how it stops one, what a first start keeps."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from config.stack import credentials as made
from config.stack import restarts
from config.stack.failures import CannotStart
from config.stack.folder import Folder, down
from config.stack.restarts import History, Restart, after_exit
from config.stack.service import Service
from config.stack.supervisor import Supervisor

LOOPS: list[Mapping[str, str]] = []
"""What the supervisor of a test told of crash loops."""

KEY = "rdk_abcd1234_" + "k" * 43


def _exits(*runs: float) -> list[Restart]:
    """What follows each exit of a process that ran for so many seconds each time."""
    history, now, found = History(), 1_000.0, []
    for run in runs:
        history, restart = after_exit(history, started=now, now=now + run)
        now += run + restart.delay
        found.append(restart)
    return found


def test_restarts_wait_twice_as_long_each_time() -> None:
    assert [restart.delay for restart in _exits(20, 20, 20, 20, 20, 20, 20)] == [
        *(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    ]


def test_five_exits_within_a_minute_are_a_crash_loop() -> None:
    assert [restart.looping for restart in _exits(1, 1, 1, 1, 1)] == [False] * 4 + [True]


def test_in_a_crash_loop_there_is_one_try_each_five_minutes() -> None:
    *_, last, again = _exits(1, 1, 1, 1, 1, 1)

    assert last == again == Restart(restarts.REST, looping=True)


def test_a_minute_of_running_ends_a_crash_loop_and_forgets_the_exits() -> None:
    assert _exits(1, 1, 1, 1, 1, 61)[-1] == Restart(0.5, looping=False)


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    found = Supervisor(tell=LOOPS.append)
    yield found
    await found.stop("test")
    found.close()


def _service(script: str, *arguments: str, grace: float = 5.0) -> Service:
    command = (sys.executable, "-c", script, *arguments)
    return Service(name="test", command=command, environ={}, grace=grace)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.02)


_NOTE = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()} '); "


async def test_a_process_that_dies_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    note = tmp_path / "note"
    await supervisor.start(_service(f"{_NOTE} time.sleep(60)", str(note)))
    await _until(note.exists)
    await _until(lambda: len(note.read_text().split()) == 1)

    os.kill(int(note.read_text()), signal.SIGKILL)

    await _until(lambda: len(note.read_text().split()) == 2)


async def test_a_crash_loop_is_told_until_a_try_stays_up(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "FIRST", 0.01)
    monkeypatch.setattr(restarts, "REST", 0.01)
    monkeypatch.setattr("config.stack.supervisor.STEADY", 0.5)
    LOOPS.clear()
    well = tmp_path / "well"
    await supervisor.start(
        _service("import os, sys, time; os.path.exists(sys.argv[1]) or sys.exit(3); time.sleep(60)",
                 str(well))
    )  # fmt: skip
    await _until(lambda: bool(LOOPS))
    assert LOOPS == [{"test": "ended with code 3"}]
    well.touch()
    await _until(lambda: len(LOOPS) == 2)
    assert LOOPS[1] == {}


def test_what_loops_is_kept_beside_the_stack_and_gone_with_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "data")
    folder.open()
    folder.tell_loops({"web": "ended with code 1"})
    assert folder.loops.read_text() == "web=ended with code 1\n"
    folder.close()
    assert not folder.loops.exists()


async def test_a_start_that_the_system_refuses_is_tried_again(
    supervisor: Supervisor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As when there is no memory, or no process number left."""
    note = tmp_path / "note"
    await supervisor.start(_service(f"{_NOTE} time.sleep(60)", str(note)))
    await _until(lambda: note.exists() and len(note.read_text().split()) == 1)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "is not there"))

    os.kill(int(note.read_text()), signal.SIGKILL)

    await _until(lambda: "could not be started" in capsys.readouterr().out)
    monkeypatch.undo()
    await _until(lambda: len(note.read_text().split()) == 2)


async def test_a_stop_tells_the_process_alone_and_leaves_no_child(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    told, child = tmp_path / "told", tmp_path / "child"
    script = (
        "import os, signal, sys, time\n"
        "if os.fork() == 0:\n"
        "    signal.signal(signal.SIGTERM, lambda *_: open(sys.argv[1], 'w').close())\n"
        "    open(sys.argv[2], 'w').write(str(os.getpid()))\n"
        "    while True: time.sleep(1)\n"
        "time.sleep(60)\n"
    )
    await supervisor.start(_service(script, str(told), str(child)))
    await _until(lambda: child.exists() and child.read_text() != "")

    await supervisor.stop("test")

    assert not told.exists()
    await _until(lambda: not Path(f"/proc/{child.read_text()}").exists())


async def test_a_process_that_does_not_heed_is_killed_after_its_grace(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    script = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_NOTE} time.sleep(60)"
    await supervisor.start(_service(script, str(note), grace=0.2))
    await _until(lambda: note.exists() and note.read_text() != "")

    await supervisor.stop("test")

    await _until(lambda: not Path(f"/proc/{note.read_text().strip()}").exists())


async def test_a_preparation_that_fails_gives_its_last_line(supervisor: Supervisor) -> None:
    with pytest.raises(CannotStart, match="the table is missing"):
        await supervisor.complete(_service("raise SystemExit('no: the table is missing')"))


def test_a_first_start_keeps_its_credentials_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "credentials"

    first = made.credentials(path, {})
    second = made.credentials(path, {})

    assert first.new
    assert not second.new
    assert second.values == first.values
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_first_start_takes_what_the_environment_sets(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    made.credentials(path, {made.API_KEY: KEY})

    later = made.credentials(path, {made.API_KEY: "rdk_other123_" + "k" * 43})

    assert later.for_first_start[made.API_KEY] == KEY


def test_a_key_that_cannot_be_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "credentials"

    with pytest.raises(CannotStart, match="REDRIVE_BOOTSTRAP_API_KEY"):
        made.credentials(path, {made.API_KEY: "secret"})

    assert not path.exists()


def test_processes_do_not_get_the_password_and_the_key(tmp_path: Path) -> None:
    found = made.credentials(tmp_path / "credentials", {})

    assert set(found.for_all) == {"REDRIVE_SECRET_KEY", "REDRIVE_SECRET_KEYS"}


def test_a_folder_has_one_holder(tmp_path: Path) -> None:
    first = Folder(tmp_path)
    first.open()

    with pytest.raises(CannotStart, match="already"):
        Folder(tmp_path).open()

    first.close()


def test_the_note_of_a_killed_holder_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()} 1")

    assert Folder(tmp_path).holder() is None
    assert down(Folder(tmp_path)).startswith("Nothing runs")
