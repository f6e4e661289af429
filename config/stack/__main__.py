"""`python -m config.stack up`, `demo` or `down`."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser

from config.stack import console, options
from config.stack.failures import CannotStart
from config.stack.folder import Folder, down
from config.stack.up import up

PARSER = ArgumentParser(prog="python -m config.stack", description="Runs Redrive on one machine.")
PARSER.add_argument(
    "verb",
    choices=("up", "demo", "down"),
    help="up: run until stopped; demo: the same with live traffic; down: stop the one that runs",
)


def main() -> int:
    verb = PARSER.parse_args().verb
    try:
        found = options.read(demo=verb == "demo")
        if verb == "down":
            console.announce(down(Folder(found.data)))
        else:
            asyncio.run(up(found))
    except CannotStart as failure:
        console.complain(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
