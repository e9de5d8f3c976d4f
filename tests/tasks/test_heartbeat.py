"""Signs of life: written while a worker's threads live, and at no other time."""

from __future__ import annotations

from pathlib import Path

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

from tasks.heartbeat import Beating, beat
from tests.servers.loopback import poll_until


def test_a_worker_beats_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "alive"
    monkeypatch.setenv("HEARTBEAT_FILE", str(file))
    broker = StubBroker(middleware=[Beating()])
    broker.declare_queue("any")
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    try:
        assert poll_until(file.exists, within_seconds=20, interval_seconds=0.01)
    finally:
        worker.stop()
        broker.close()


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEARTBEAT_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    beat()
    assert list(tmp_path.iterdir()) == []
