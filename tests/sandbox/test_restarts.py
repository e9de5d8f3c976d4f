"""What is kept over a restart, and how the process behaves as a process."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.sandbox.calls import INVENTORY, SETTLEMENT, code, redeem, redemptions, reserve
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import free_port, poll_until

TOP = Path(__file__).parents[2]


@pytest.fixture
def own(tmp_path):
    with RunningSandbox(tmp_path) as sandbox:
        yield sandbox


def test_a_restart_keeps_everything_but_the_faults(own):
    reserve(own, "K1", {"GIFT-BOX": 2})
    INVENTORY.cancel(own, "K2")
    redeem(own, "R1")
    own.fault("coupon", "slow")
    before = own.ledger()
    own.stop()
    own.start()
    assert own.ledger() == before
    assert own.value("stock", "GIFT-BOX", "available") == 1
    assert reserve(own, "K1", {"GIFT-BOX": 2}).status_code == 200
    assert code(reserve(own, "K2", {"GIFT-BOX": 1})) == "key_cancelled"
    assert len(redemptions(own, "R1")) == 1
    assert own.faults()["coupon"]["fault"] == "none"


def test_what_is_pending_settles_over_a_restart(own):
    own.set("options", "settlement_seconds", 0.1)
    SETTLEMENT.post(own, "S1", SETTLEMENT.content("A"))
    own.stop()
    own.start()
    assert poll_until(lambda: own.held("A") == {"settlement": 1}, within_seconds=5)


def test_a_stopped_sandbox_refuses_connections(own):
    own.stop()
    with pytest.raises(requests.exceptions.ConnectionError) as raised:
        reserve(own, "K1", {"GIFT-BOX": 1})
    assert "refused" in str(raised.value)


def test_a_stop_waits_for_no_fault(own):
    own.fault("inventory", "stall", seconds=3600)
    with reserve(own, "K1", {"GIFT-BOX": 1}, stream=True):
        started = time.monotonic()
        own.stop()
        assert time.monotonic() - started < 3


def test_a_stop_ends_a_caller_that_says_nothing(own):
    with socket.create_connection(("127.0.0.1", own.port)), socket.create_connection(("127.0.0.1", own.smtp_port)):
        started = time.monotonic()
        own.stop()
        assert time.monotonic() - started < 5


def test_the_ledger_cannot_be_changed(own):
    reserve(own, "K1", {"GIFT-BOX": 1})
    with sqlite3.connect(own.settings.data) as file:
        for statement in ("UPDATE ledger SET effect = 'undo'", "DELETE FROM ledger"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                file.execute(statement)
    file.close()


def command(data: Path, port: int, smtp_port: int) -> list[str]:
    ports = ["--port", str(port), "--smtp-port", str(smtp_port)]
    return [sys.executable, "-m", "orderapp.sandbox", *ports, "--data", str(data)]


def test_the_command_serves_until_it_is_told_to_stop_and_survives_a_kill(tmp_path):
    port, data = free_port(), tmp_path / "new" / "sandbox.sqlite"
    url, headers = (
        f"http://127.0.0.1:{port}/inventory/v1/reservations",
        {"Idempotency-Key": "K1", "Authorization": "Bearer t"},
    )
    environment = {**os.environ, "INVENTORY_TOKEN": "t"}
    for stop_signal, status, exit_status in ((signal.SIGKILL, 201, -9), (signal.SIGTERM, 200, 0)):
        process = subprocess.Popen(
            command(data, port, free_port()),
            cwd=TOP,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}/" in process.stdout.readline()
        assert (
            requests.post(url, json=INVENTORY.content("A"), headers={"Idempotency-Key": "K1"}, timeout=5).status_code
            == 401
        )
        assert requests.post(url, json=INVENTORY.content("A"), headers=headers, timeout=5).status_code == status
        process.send_signal(stop_signal)
        _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (exit_status, "")


@pytest.mark.parametrize("wrong", ["port", "data"])
def test_what_keeps_it_from_starting_is_told_in_one_line(own, tmp_path, wrong):
    no_database = tmp_path / "text.sqlite"
    no_database.write_text("This is no database, and long enough to be told from an empty one. " * 20)
    port, data = (own.port, tmp_path / "fine.sqlite") if wrong == "port" else (free_port(), no_database)
    result = subprocess.run(command(data, port, free_port()), cwd=TOP, capture_output=True, text=True, timeout=20)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert (str(own.port) if wrong == "port" else "not a database") in result.stderr
