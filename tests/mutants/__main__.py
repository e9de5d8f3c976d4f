"""`python -m tests.mutants [SEED [NUMBER]]`: draw mutants, run the tests nearest to each, and print those that survive.

In a copy of the tree; what runs longer than MOST_SECONDS without a failure counts as undecided. The exit status is 1
where one survives.
"""

from __future__ import annotations

import difflib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.drawing import TREE, Mutant, draw, nearest_tests
from tests.mutations.__main__ import copy_of_the_tree

NUMBER = 20  # half an hour on a small machine
MOST_SECONDS = 240  # the nearest tests take a quarter of it


def main(arguments: list[str]) -> int:
    """Do it; return the exit status."""
    seed = int(arguments[0]) if arguments else secrets.randbelow(10_000)
    number = int(arguments[1]) if len(arguments) > 1 else NUMBER
    print(f"seed {seed}", flush=True)
    survivors = 0
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
        return _run(tests, tree)
    finally:
        path.write_text(unchanged)


def _run(tests: list[str], tree: Path) -> str:
    options = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider", "-m", "not rabbitmq and not chromium"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environ = {**os.environ, "MODEL_EXAMPLES": "100"}
    running = subprocess.Popen(
        command, cwd=tree, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return "SURVIVES" if running.wait(MOST_SECONDS) == 0 else "caught"
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGINT)  # so that it ends the servers that it has started
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        return "undecided"


def _difference(mutant: Mutant) -> str:
    before, after = (TREE / mutant.path).read_text().splitlines(), mutant.source().splitlines()
    return "\n".join(
        line for line in difflib.unified_diff(before, after, lineterm="", n=1) if line[:2] not in ("--", "++")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
