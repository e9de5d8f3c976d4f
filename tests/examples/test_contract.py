"""The contract tests that come with the package, as a plugin's repository runs them; here a sample of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from orderapp.config import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SAMPLE = "example or cancelled or error_after or garbage_before or dies"


@pytest.mark.parametrize(("plugin", "least"), [("giftcard", 10), ("invoice", 10), ("card", 20)])
def test_an_example_keeps_to_the_contract(plugin: str, least: int) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "orderapp.ext.testing"]
    variables = {**os.environ, "ORDERAPP_PLUGINS": f"examples.{plugin}"}
    ended = subprocess.run(
        [*command, "-k", SAMPLE], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    passed = re.search(r"^(\d+) passed", ended.stdout, re.MULTILINE)
    assert passed, ended.stdout[-3000:]
    assert int(passed[1]) >= least
