"""`make mutants`: each rule is broken on purpose, one line at a time, and a test has to notice.

Breaks `events/rules` and `dlq/rules.py` as `[tool.mutmut]` says, judged by the unit and property
tests that import them. Fails below 90 % noticed; a line that no test runs counts as not noticed.
Prints what nobody noticed: `mutmut show NAME` says what was changed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

LEAST = 0.90

MUTANTS = Path("mutants")
NOTICED = ("killed", "timeout", "segfault")
"""A mutant that runs for ever or ends the process is noticed too."""


def main() -> int:
    command = Path(sys.executable).with_name("mutmut")
    subprocess.run([command, "run", *sys.argv[1:]], check=True)
    subprocess.run([command, "export-cicd-stats"], check=True, capture_output=True)
    counts = json.loads((MUTANTS / "mutmut-cicd-stats.json").read_text())
    results = subprocess.run([command, "results"], check=True, capture_output=True, text=True)
    left = [line.strip() for line in results.stdout.splitlines() if line.strip()]
    for line in left:
        print(line)
    for file, many in Counter(line.partition(".x")[0] for line in left).most_common():
        print(f"{many:5} not noticed in {file}")
    total = counts["total"] - counts["skipped"]
    noticed = sum(counts[name] for name in NOTICED)
    share = noticed / total if total else 0.0
    print(f"{noticed} of {total} mutants were noticed: {share:.1%}, at least {LEAST:.0%} asked")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
