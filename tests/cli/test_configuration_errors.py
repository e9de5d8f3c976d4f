"""`flask` as it is typed: how it finds the application, and what it says of one that can't be made."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from orderapp.config import ROOT
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until

ENDS_WITHIN_SECONDS = 60  # a slow machine; on a usual one a command takes about one


def flask(*args: str, more: Mapping[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flask", *args],
        env={"PATH": os.environ["PATH"], **more},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_SECONDS,
    )


@pytest.mark.parametrize(
    ("args", "finding"),
    [
        *((args, {}) for args in (["doctor"], ["timer"], ["db", "upgrade"], ["--help"], ["routes"])),
        (["tasks", "list"], {"FLASK_APP": "orderapp"}),
        (["tasks", "list"], {"FLASK_APP": "wsgi"}),
        (["tasks", "list"], {"FLASK_SKIP_DOTENV": "1"}),
    ],
    ids=str,
)
def test_a_wrong_setting_ends_any_command_with_its_one_line(
    args: list[str], finding: dict[str, str], variables: dict[str, str]
) -> None:
    wrong = {"INVENTORY_URL": "https://inventory.example", "TASK_LEASE_SECONDS": "1"}
    ended = flask(*args, more={**variables, **finding, **wrong})
    assert ended.returncode == 1
    assert ended.stderr == (
        "orderapp: TASK_LEASE_SECONDS: 1 is shorter than the calls it covers (4 s by the time-outs of inventory)\n"
    )
    assert ended.stdout == ""


def test_the_commands_are_listed(variables: dict[str, str]) -> None:
    ended = flask("--help", more=variables)
    assert ended.returncode == 0
    for command in ("archive", "doctor", "products", "reconcile", "staff", "tasks", "timer", "tokens", "web"):
        assert f"\n  {command} " in ended.stdout


def test_a_database_without_tables_is_told_in_one_line(variables: dict[str, str]) -> None:
    ended = flask("tasks", "list", more=variables)
    assert ended.returncode == 1
    assert ended.stderr == "Error: the database can't be used: no such table: tasks; `flask doctor` tells more\n"


def test_the_timer_needs_the_systems_without_which_nothing_works(variables: dict[str, str]) -> None:
    ended = flask("timer", more=variables)
    assert ended.returncode == 1
    assert ended.stderr == "Error: INVENTORY_URL: not set, and no order can do without it\n"


def test_the_timer_takes_the_place_of_its_command_and_ends_with_a_signal(
    variables: dict[str, str], sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = {"PATH": os.environ["PATH"], **variables, **sandbox.environ(), "FLASK_APP": str(ROOT / "orderapp")}
    settings["PYTHONFAULTHANDLER"] = "1"  # where it hangs it tells where
    assert flask("db", "upgrade", more=settings, cwd=tmp_path).returncode == 0
    with sqlite3.connect(tmp_path / "orders.db") as database:
        database.execute("INSERT INTO rate_counters (bucket, window_ends_at, count) VALUES ('old', '2000-01-01', 1)")
    database.close()
    with subprocess.Popen([sys.executable, "-m", "flask", "timer"], env=settings, cwd=tmp_path) as timer:
        try:
            _wait_until_tidied(tmp_path / "orders.db", timer)
            is_the_timer = poll_until(
                lambda: b"tasks.timer" in Path(f"/proc/{timer.pid}/cmdline").read_bytes(), within_seconds=5
            )
            assert is_the_timer, f"it ended: {timer.poll()}"
            timer.send_signal(signal.SIGTERM)
            assert timer.wait(ENDS_WITHIN_SECONDS) == 0
        finally:
            timer.kill()


def _wait_until_tidied(path: Path, timer: subprocess.Popen[bytes]) -> None:
    """Wait until the timer has deleted what had run out."""
    ends_at = time.monotonic() + ENDS_WITHIN_SECONDS
    while time.monotonic() < ends_at:
        assert timer.poll() is None, "the timer ended by itself"
        database = sqlite3.connect(path)
        left = database.execute("SELECT count(*) FROM rate_counters").fetchone()[0]
        database.close()
        if not left:
            return
        time.sleep(0.1)
    timer.send_signal(signal.SIGABRT)
    timer.wait()
    pytest.fail("the timer did nothing")
