"""Runs pytest in another tree, in a process that has all packages imported: they take longer than most mutants live."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

PACKAGES = (
    "dramatiq",
    "flask_admin",
    "hypothesis",
    "playwright.sync_api",
    "psycopg",
    "requests",
    "schemathesis.pytest",
)
# pytest would rewrite what its plugins assert, and warns where it can't.
IMPORTED = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
GRACE_SECONDS = 30  # for ending the servers that tests have started


def import_packages() -> None:
    """Import what tests and product need, and none of our own."""
    for package in PACKAGES:
        importlib.import_module(package)


def run(options: list[str], tree: Path, most_seconds: float) -> int | None:
    """Run pytest there; return its exit status, and None where it takes too long.

    Args:
        options: As on its command line.
        tree: A copy of ours.
        most_seconds: How long it may take.
    """
    running = multiprocessing.get_context("fork").Process(target=_pytest, args=([f"-W{IMPORTED}", *options], tree))
    running.start()
    running.join(most_seconds)
    status = running.exitcode
    for ending in (signal.SIGINT, signal.SIGKILL):
        if running.is_alive():
            os.killpg(running.pid or 0, ending)
            running.join(GRACE_SECONDS)
    return status


def _pytest(options: list[str], tree: Path) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
    os.chdir(tree)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    for ours in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[ours]
    sys.path[0] = str(tree)
    sys.exit(pytest.main(options))
