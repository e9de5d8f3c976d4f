"""What `running_shop` does for a plugin's own tests, where the tests of the examples don't use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orderapp.ext.testing import FAULTS, TestedShop, running_shop

PLUGIN = """
from orderapp.ext import Run, job

@job("never-works")
def never(run: Run) -> None:
    raise KeyError("the shelf is empty")
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestedShop]:
    (tmp_path / "neverworks.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    with running_shop(tmp_path, "neverworks") as running:
        yield running


def test_a_job_that_raises_ends_with_its_own_words(shop: TestedShop) -> None:
    ran = shop.run(shop.settings.jobs["never-works"])
    assert (ran.state, len(ran.said)) == ("failed", 12)
    assert all("the shelf is empty" in text for text in ran.said)


def test_only_faults_that_are_listed_can_be_given(shop: TestedShop) -> None:
    for fault in FAULTS:
        shop.disturb("inventory", fault)
    for system, fault in [("inventory", "sleepy"), ("warehouse", "down")]:
        with pytest.raises(ValueError, match=f"faults/{system}: "):
            shop.disturb(system, fault)
