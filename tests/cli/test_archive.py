"""`flask archive`: what is moved, what is refused, each in one line."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update

from orderapp.models import Order, Submission, Task, db_now
from orderapp.services.database import writing
from orderapp.services.order_view import OrderView
from tests.cli.conftest import Run

DAY = 86_400


@pytest.fixture
def old(app: Flask, place: Callable[..., OrderView], run_tasks: Callable[[], None]) -> OrderView:
    """A confirmed order of a hundred days ago, beside one of today."""
    order = place("order-1")
    run_tasks()
    long_ago = db_now(-100 * DAY)
    with app.app_context(), writing() as session:
        session.execute(update(Order).values(created_at=long_ago, updated_at=long_ago))
        session.execute(update(Task).values(finished_at=long_ago))
        session.execute(update(Submission).values(created_at=long_ago))
    place("order-2")
    run_tasks()
    return order


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "archives"
    made.mkdir()
    return made


def test_old_orders_are_moved_and_counted(run: Run, old: OrderView, folder: Path) -> None:
    file = folder / "2026.jsonl"
    result = run("archive", "--older-than", "90d", "--to", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"orders moved to {file}: 1\n", "")
    assert json.loads(file.read_text())["order"]["number"] == old.number
    assert run("archive", "--older-than", "90d", "--to", str(file)).stdout == f"orders moved to {file}: 0\n"
    assert len(file.read_text().splitlines()) == 1
    assert old.number not in run("tasks", "list").stdout


@pytest.mark.parametrize(
    ("period", "told"),
    [
        ("30d", "older-than: at least 31 days: until then idempotency keys and reconciliation need them"),
        ("90", "--older-than: '90' is no period such as 90m, 24h or 7d, of ten years at most"),
        ("-90d", "--older-than: '-90d' is no period such as 90m, 24h or 7d, of ten years at most"),
    ],
)
def test_an_age_that_is_none_or_too_short_is_refused(
    run: Run, old: OrderView, folder: Path, period: str, told: str
) -> None:
    result = run("archive", f"--older-than={period}", "--to", str(folder / "a"))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {told}\n")
    assert list(folder.iterdir()) == []


def _a_folder(file: Path) -> str:
    file.mkdir()
    return "Is a directory"


def _in_no_folder(file: Path) -> str:
    file.parent.rmdir()
    return "No such file or directory"


def _others_may_read(file: Path) -> str:
    file.touch(0o644)
    return f"others may read it; `chmod 600 {file}` first"


def _something_else(file: Path) -> str:
    file.touch(0o600)
    file.write_text("sku,price\n")
    return "it holds something else than archived orders"


def _a_pipe(file: Path) -> str:
    os.mkfifo(file, 0o600)
    return "it is no file"


@pytest.mark.parametrize("make", [_a_folder, _in_no_folder, _others_may_read, _something_else, _a_pipe])
def test_a_file_that_can_not_be_used_is_told_and_left_as_it_is(
    run: Run, old: OrderView, folder: Path, make: Callable[[Path], str]
) -> None:
    file = folder / "orders"
    told = make(file)
    before = file.stat() if file.exists() else None
    result = run("archive", "--older-than", "90d", "--to", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {file}: {told}\n")
    after = file.stat() if file.exists() else None
    assert (after and after.st_size) == (before and before.st_size)
    assert run("tasks", "requeue", "1", "--reason", "it is there still").exit_code == 1
    assert run("archive", "--older-than", "90d", "--to", str(folder.parent / "b")).stdout.endswith(": 1\n")


def test_a_file_that_another_process_adds_to_is_left_to_it(run: Run, old: OrderView, folder: Path) -> None:
    file = folder / "orders"
    file.touch(0o600)
    with file.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = run("archive", "--older-than", "90d", "--to", str(file))
    assert result.stderr == f"Error: {file}: another process adds to it right now\n"


@pytest.mark.parametrize("name", ["a\nb", "a\udcff", "a" * 501])
def test_a_name_that_can_not_be_kept_is_refused(run: Run, old: OrderView, folder: Path, name: str) -> None:
    result = run("archive", "--older-than", "90d", "--to", str(folder / name))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: its name has more than 500 characters, or some that can't be printed")
    assert list(folder.iterdir()) == []


def test_a_relative_name_is_kept_in_full(
    run: Run, old: OrderView, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert run("archive", "--older-than", "90d", "--to", "orders.jsonl").stdout == "orders moved to orders.jsonl: 1\n"
    assert (folder / "orders.jsonl").stat().st_mode & 0o777 == 0o600
