"""The reference of `orderapp.ext`: its page is made from the docstrings, whose examples are true."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orderapp import ext
from orderapp.config import ROOT
from orderapp.ext import testing

PUBLIC = {name: getattr(ext, name) for name in ext.__all__}
WITH_AN_EXAMPLE = [name for name, value in PUBLIC.items() if callable(value) and ">>>" in (value.__doc__ or "")]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of what the page is made from, and of the page."""
    for room in ("orderapp", "scripts"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "ext.md", tmp_path / "docs")
    return tmp_path


def write(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.write_reference", *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", WITH_AN_EXAMPLE)
def test_an_example_shows_what_happens(name: str) -> None:
    for example in doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs=PUBLIC):
        assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


def test_the_page_has_every_public_name_and_nothing_else() -> None:
    page = (ROOT / "docs" / "ext.md").read_text()
    assert re.findall(r"^### (\w+)$", page, re.MULTILINE) == [*ext.__all__, *testing.__all__]
    assert "__" not in re.sub(r"`__init__`|\(#\w+\)", "", page)


@pytest.mark.slow
def test_a_page_that_is_out_of_date_fails_the_check_until_it_is_written_again(copied: Path) -> None:
    page = copied / "docs" / "ext.md"
    kept = page.read_text()
    page.write_text(kept.replace("### Code\n", "### Coupon\n"))
    refused = write(copied, "--check")
    assert refused.returncode == 1
    assert refused.stderr == "docs/ext.md isn't what the docstrings say; run make reference\n"
    assert write(copied).returncode == 0
    assert page.read_text() == kept
    assert write(copied, "--check").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("orderapp/systems/http.py", "  # as it is sent", "", "Content.body: no line in the docstring and no comment"),
        (
            "orderapp/systems/offers.py",
            '    """Return whether an answer is about',
            '    _ = """about',
            "same_code has no",
        ),
        ("orderapp/ext/__init__.py", "    # Hear the partner\n", "", "docs/ext.md isn't what"),
        ("orderapp/ext/__init__.py", "    # Declare a system\n", "", "stands under a comment"),
    ],
)
def test_what_is_public_and_not_described_is_refused(
    copied: Path, file: str, old: str, new: str, complaint: str
) -> None:
    path = copied / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    refused = write(copied, "--check")
    assert refused.returncode == 1
    assert complaint in refused.stderr
