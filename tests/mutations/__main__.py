"""Makes each deliberate mistake in a copy of the tree, runs the model there, and says which test caught it.

Exit status 1 if one survives. The working tree is never touched.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tests.mutations import of_events, of_jobs, of_operations, of_placements, of_plugins, of_survivors, of_tasks
from tests.mutations.mutation import MODEL, Mutation

TREE = Path(__file__).resolve().parents[2]
ALL = (
    *of_placements.MUTATIONS,
    *of_tasks.MUTATIONS,
    *of_plugins.MUTATIONS,
    *of_jobs.MUTATIONS,
    *of_events.MUTATIONS,
    *of_operations.MUTATIONS,
    *of_survivors.MUTATIONS,
)
AT_ONCE = 2  # each is a process that keeps one core busy
# What the product and the tests named here need of the tree.
PARTS = ("orderapp", "tasks", "tests", "examples", "templates", "static", "migrations", "pyproject.toml", "wsgi.py")
# Many times what CI plays, and other games each time: some mistakes show in one game of several hundred.
EXAMPLES = "2000"
MOST_SECONDS = 3600  # far beyond what a survivor takes on a busy machine


@dataclass(frozen=True)
class Verdict:
    """The result of one mutation: the failure that caught it; empty if nothing did."""

    mutation: Mutation
    caught_by: str
    seconds: float


def main() -> int:
    """Run the mutations and print the table; return the exit status."""
    parser = argparse.ArgumentParser("python -m tests.mutations", description=__doc__)
    parser.add_argument("words", nargs="*", help="only those with one of these words in their names (default: all)")
    words = parser.parse_args().words
    chosen = [one for one in ALL if not words or any(word in one.name for word in words)]
    trees: queue.Queue[Path] = queue.Queue()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        for number in range(AT_ONCE):
            trees.put(copy_of_the_tree(Path(folder) / str(number)))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            verdicts = []
            for tried in as_completed([pool.submit(_try, one, trees) for one in chosen]):
                verdict = tried.result()
                verdicts.append(verdict)
                caught = verdict.caught_by or "NOTHING: it survives"
                print(f"{verdict.seconds:6.0f} s  {verdict.mutation.name:75}  {caught}", flush=True)
    survivors = [one for one in verdicts if not one.caught_by]
    minutes = (time.monotonic() - started) / 60
    print(f"{len(verdicts)} mutations, {len(survivors)} survive; {minutes:.1f} minutes")
    return 1 if survivors else 0


def copy_of_the_tree(to: Path) -> Path:
    """Copy what the tests need; return where it is."""
    to.mkdir()
    for part in PARTS:
        if (TREE / part).is_dir():
            shutil.copytree(TREE / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(TREE / part, to / part)
    return to


def _try(mutation: Mutation, trees: queue.Queue[Path]) -> Verdict:
    tree = trees.get()
    path, started = tree / mutation.path, time.monotonic()
    unchanged = path.read_text()
    try:
        path.write_text(mutation.applied_to(tree))
        caught_by = run(mutation, tree)
    finally:
        path.write_text(unchanged)
        trees.put(tree)
    return Verdict(mutation, caught_by, time.monotonic() - started)


def run(mutation: Mutation, tree: Path) -> str:
    """Run what catches a mutation in a tree where it is made; return what did, empty where nothing does."""
    options = ["-q", "-x", "--tb=line", "--show-capture=no", "-p", "no:cacheprovider"]
    # Where the first failure is, is all that counts: it isn't made small.
    environ = {**os.environ, "MODEL_EXAMPLES": EXAMPLES, "MODEL_RANDOM": "1", "MODEL_SHRINK": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *mutation.tests],
        cwd=tree,
        env=environ,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        return ""
    if done.returncode != 1:
        raise RuntimeError(f"{mutation.name}: the tests didn't run\n{done.stdout}{done.stderr}")
    if " failed" not in done.stdout.strip().splitlines()[-1]:
        return ""  # a test that couldn't be set up has caught nothing
    where = "model: " if mutation.tests == MODEL else ""
    said = re.search(r"^\S+:\d+: (.*)$", done.stdout, re.MULTILINE)
    return where + (said[1] if said else done.stdout.strip().splitlines()[-1])[:120]


if __name__ == "__main__":
    sys.exit(main())
