"""The habits of the house that no other tool looks at: how files end, what is checked before a commit, the version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from orderapp.config import ROOT

ROOMS = ("orderapp", "tasks", "templates", "static", "migrations", "tests", "bench", "docs", "scripts", "deploy", ".ci")
PICTURES = {".png", ".pyc", ".ttf"}


def text_files() -> list[Path]:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*") if "__pycache__" not in path.parts]
    return [path for path in [*files, *ROOT.iterdir()] if path.is_file() and path.suffix not in PICTURES]


def test_files_are_as_the_editors_are_told() -> None:
    found = []
    for path in text_files():
        text = path.read_bytes().decode()
        name = path.relative_to(ROOT)
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            found.append(f"{name}: doesn't end with one line break")
        if re.search(r"[ \t\r]$", text, re.MULTILINE):
            found.append(f"{name}: blanks at the end of a line")
        if "\t" in text and path.name != "Makefile":
            found.append(f"{name}: a tab")
    assert found == []


def commands_of(target: str) -> list[str]:
    (recipe,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [line.strip().removeprefix("@") for line in recipe.splitlines()]


def test_what_is_checked_before_a_commit_is_what_lint_checks() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    checked = [hook["entry"].replace(" --force-exclude", "") for hook in hooks]
    assert checked
    for entry in checked:
        assert any(command.removesuffix(" .") == entry for command in commands_of("lint")), entry


def test_the_changelog_begins_with_what_is_unreleased_and_has_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", version]


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_somebody_who_reads_the_first_page_finds_it(document: str) -> None:
    linked = {ROOT / "README.md", ROOT / "CONTRIBUTING.md"}
    assert any(f"]({document})" in path.read_text() for path in linked)
