"""The archive's file, opened and closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orderapp.errors import ArchiveUnusable
from orderapp.services.archive.file import opened


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_what_is_opened_is_closed_again(tmp_path: Path) -> None:
    before = descriptors()
    for _ in range(2):
        with opened(tmp_path / "orders.jsonl"):
            assert descriptors() == before + 1
        assert descriptors() == before


def test_a_refusal_leaves_nothing_open(tmp_path: Path) -> None:
    before = descriptors()
    (tmp_path / "folder").mkdir()
    (tmp_path / "others").touch(0o600)
    (tmp_path / "others").chmod(0o644)
    (tmp_path / "link").symlink_to(tmp_path / "others")
    for name in ("folder", "others", "link", "link/file"):
        with pytest.raises(ArchiveUnusable), opened(tmp_path / name):
            pass
    assert descriptors() == before
