"""Draw mutants, run the tests nearest to each, and print those that survive: `make mutants`.

In a copy of the tree; what runs longer than MOST_SECONDS without a failure counts as undecided. The exit status is 1
where one survives.
"""

from __future__ import annotations

import argparse
import difflib
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.mutants.drawing import TREE, Mutant, draw, nearest_tests
from tests.mutants.running import import_packages, run
from tests.mutations.__main__ import copy_of_the_tree

NUMBER = 20  # a quarter of an hour on a small machine
MOST_SECONDS = 600  # a tenth of it where the machine does nothing else
NEAREST = 2  # so many files of tests are run first
OURS = "not rabbitmq and not chromium"
OPTIONS = ("-q", "-x", "--tb=no", "--timeout=60", "-p", "no:cacheprovider")
OK, NO_TESTS = pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED


def main() -> int:
    """Do it; return the exit status."""
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="draws the same mutants again (default: another each time)")
    parser.add_argument("number", nargs="?", type=int, default=NUMBER, help="how many (default: %(default)s)")
    chosen = parser.parse_args()
    seed, number = secrets.randbelow(10_000) if chosen.seed is None else chosen.seed, chosen.number
    print(f"seed {seed}", flush=True)
    survivors = 0
    import_packages()
    os.environ["MODEL_EXAMPLES"] = "100"
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copy_of_the_tree(Path(folder) / "tree")
        for mutant in draw(seed, number):
            began = time.monotonic()
            verdict = _try(mutant, tree)
            print(f"{time.monotonic() - began:5.0f} s  {verdict:9}  {mutant}", flush=True)
            if verdict == "SURVIVES":
                survivors += 1
                print(_difference(mutant), flush=True)
    print(f"{number} mutants of seed {seed}, {survivors} survive")
    return 1 if survivors else 0


def _try(mutant: Mutant, tree: Path) -> str:
    tests = nearest_tests(mutant.path)
    if not tests:
        return "no tests"
    path = tree / mutant.path
    unchanged = path.read_text()
    try:
        path.write_text(mutant.source())
        return _verdict(tests, tree)
    finally:
        path.write_text(unchanged)


def _verdict(tests: list[str], tree: Path) -> str:
    """Run the nearest, the others, and the nearest on PostgreSQL; the others on it would take half of all time."""
    near, others = tests[:NEAREST], tests[NEAREST:]
    for some, databases in ((near, "not postgres"), (others, "not postgres"), (near, "postgres")):
        status = run([*OPTIONS, "-m", f"{OURS} and {databases}", *some], tree, MOST_SECONDS) if some else OK
        if status is None:
            return "undecided"
        if status not in (OK, NO_TESTS):
            return "caught"
    return "SURVIVES"


def _difference(mutant: Mutant) -> str:
    before, after = (TREE / mutant.path).read_text().splitlines(), mutant.source().splitlines()
    return "\n".join(
        line for line in difflib.unified_diff(before, after, lineterm="", n=1) if line[:2] not in ("--", "++")
    )


if __name__ == "__main__":
    sys.exit(main())
