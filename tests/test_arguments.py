"""Whoever asks a program of the project how it is used doesn't start it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orderapp.config import ROOT

MODULES = (
    *("bench", "bench.growth", "bench.alone", "bench.memory", "bench.history"),
    *("scripts.check_docs", "scripts.check_locks", "scripts.update_translations", "scripts.write_reference"),
    *("tests.chaos", "tests.mutants", "tests.mutations", "orderapp.development", "orderapp.sandbox"),
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Should it start after all, it ends at once: in a form and with a number that there are not.
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "BENCH_FORM": "none", "BENCH_ORDERS": "none", "GROWTH_ORDERS": "none"},
        capture_output=True,
        text=True,
        timeout=120,  # most of it is importing, on a machine that does other things too
    )


@pytest.mark.parametrize("module", MODULES)
def test_help_tells_what_it_does(module: str) -> None:
    asked = run(module, "--help")
    assert asked.returncode == 0
    assert asked.stdout.startswith(f"usage: python -m {module} [-h]")


@pytest.mark.parametrize("module", ["bench.growth", "tests.chaos"])
def test_anything_else_is_refused_with_the_usage(module: str) -> None:
    refused = run(module, "--orders", "10")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"usage: python -m {module} [-h]\n")
