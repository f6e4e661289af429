"""`make fuzz`: what comes from outside is read from bytes that a fuzzer thinks up (atheris).

Each target states laws of a parser; what breaks one is kept in `.fuzz/crashes/` and ends its run.
`make fuzz ARGS="--seconds 600 --only url"` looks longer at one of them; the inputs that led to new
places in the code are kept in `.fuzz/` from run to run.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

FOLDER = Path(".fuzz")
SECONDS = 60
RUNS = "--runs"
"""The first argument of the process that runs one target: its name and libFuzzer's own follow."""


def main() -> int:
    targets = importlib.import_module("tests.nightly.targets")
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long for each target")
    parser.add_argument("--only", action="append", choices=list(targets.TARGETS))
    options = parser.parse_args()
    try:
        importlib.import_module("atheris")
    except ImportError:
        print("The fuzzer (atheris) is not here: it has wheels for Linux on x86-64 alone.")
        return 2
    names = options.only or list(targets.TARGETS)
    broken = [name for name in names if _look(name, targets.SEEDS[name], options.seconds)]
    print(f"broken: {', '.join(broken)}" if broken else "no law was broken")
    return 1 if broken else 0


def _look(name: str, seeds: list[bytes], seconds: int) -> int:
    """A process of its own: the fuzzer never returns."""
    corpus, crashes = FOLDER / name, FOLDER / "crashes"
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    print(f"{name}: {seconds} s", flush=True)
    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]
    kept = ["-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={crashes}/{name}-"]
    command = [sys.executable, "-m", "tests.nightly.fuzz", RUNS, name, *limits, *kept, str(corpus)]
    return subprocess.run(command, check=False).returncode


def _run(name: str, arguments: list[str]) -> None:
    """Only what is ours is watched: which of its lines an input reaches."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["events"]):
        targets = importlib.import_module("tests.nightly.targets")
    atheris.Setup([sys.argv[0], *arguments], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == [RUNS]:
        _run(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
