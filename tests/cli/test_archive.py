"""`flask archive`: what is moved, what is refused, each in one line."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, update

from orderapp.config import ROOT
from orderapp.models import Order, Submission, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.orders.views import OrderView
from tests.cli.conftest import Run
from tests.servers.loopback import poll_until

DAY = 86_400
ENOUGH = 8000  # forty batches, so that a signal at the first one comes long before the last


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
    made.mkdir(0o700)
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
        ("30d", "older-than: at least 31 days: until then repeated requests and reconciliation need them"),
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


def _others_may_write(file: Path) -> str:
    file.touch(0o600)
    file.chmod(0o602)
    return f"others may read it; `chmod 600 {file}` first"


def _a_link(file: Path) -> str:
    file.symlink_to(file.parent.parent / "elsewhere")
    return "it is a link; name the file itself"


def _two_names(file: Path) -> str:
    file.touch(0o600)
    os.link(file, file.parent.parent / "its-other-name")
    return "it has another name somewhere (a hard link), where others may find it"


def _others_may_write_to_the_folder(file: Path) -> str:
    file.parent.chmod(0o1777)
    return f"others may write to the folder {file.parent}; `chmod go-w {file.parent}` first, or choose another"


def _a_group_may_write_to_the_folder(file: Path) -> str:
    file.parent.chmod(0o770)
    return f"others may write to the folder {file.parent}; `chmod go-w {file.parent}` first, or choose another"


def _others_may_write_further_up(file: Path) -> str:
    file.parent.parent.chmod(0o777)
    above = file.parent.parent
    return f"others may write to the folder {above}; `chmod go-w {above}` first, or choose another"


def _the_folder_is_a_link(file: Path) -> str:
    file.parent.rmdir()
    (file.parent.parent / "real").mkdir(0o700)
    file.parent.symlink_to(file.parent.parent / "real")
    return f"{file.parent} is a link; name the folder that it leads to"


def _another_users_file(file: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    file.touch(0o600)
    os.chown(file, 65534, 65534)
    return "it is another user's, who would read the orders; move it away first"


def _another_users_folder(file: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("only root can give folders away")
    os.chown(file.parent, 65534, 65534)
    return f"the folder {file.parent} is another user's, who could put another file in its place"


UNUSABLE = [
    _a_folder,
    _in_no_folder,
    _others_may_read,
    _others_may_write,
    _something_else,
    _a_pipe,
    _a_link,
    _two_names,
    _others_may_write_to_the_folder,
    _a_group_may_write_to_the_folder,
    _others_may_write_further_up,
    _the_folder_is_a_link,
    _another_users_file,
    _another_users_folder,
]


@pytest.mark.parametrize("make", UNUSABLE)
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
    assert not (folder.parent / "elsewhere").exists()
    folder.parent.chmod(0o700)
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


def test_ctrl_c_ends_it_after_the_batch_it_is_at_and_nothing_is_lost(
    app: Flask, variables: dict[str, str], run: Run, folder: Path
) -> None:
    common = {"state": "failed", "placement_number": 1, "currency": "EUR", "subtotal_minor": 0, "total_minor": 0,
              "customer_name": "", "customer_email": "", "customer_phone": "", "inputs": "{}"}  # fmt: skip
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    rows = [
        {"id": uuid.uuid4(), "number": f"N{number}", "created_at": long_ago, "updated_at": long_ago, **common}
        for number in range(ENOUGH)
    ]
    with app.app_context(), writing() as session:
        session.execute(insert(Order), rows)
    file = folder / "orders.jsonl"
    command = [sys.executable, "-m", "flask", "archive", "--older-than", "90d", "--to", str(file)]
    program = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert poll_until(lambda: file.exists() and file.stat().st_size > 0, within_seconds=60, interval_seconds=0.005)
    program.send_signal(signal.SIGINT)
    told, why = program.communicate(timeout=60)
    moved = len(file.read_text().splitlines())
    assert (told, program.returncode) == (f"orders moved to {file}: {moved}\n", 1)
    assert why == "Error: stopped before the end; run it again to continue\n"
    assert 0 < moved < ENOUGH
    rest = run("archive", "--older-than", "90d", "--to", str(file))
    assert rest.stdout == f"orders moved to {file}: {ENOUGH - moved}\n"
    assert {json.loads(line)["order"]["number"] for line in file.read_text().splitlines()} == {
        row["number"] for row in rows
    }


def test_a_relative_name_is_kept_in_full(
    run: Run, old: OrderView, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert run("archive", "--older-than", "90d", "--to", "orders.jsonl").stdout == "orders moved to orders.jsonl: 1\n"
    assert (folder / "orders.jsonl").stat().st_mode & 0o777 == 0o600
