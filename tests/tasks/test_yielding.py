"""Workers leave the processor to the web's processes where both want it: `dramatiq tasks` as it is started for real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from orderapp.config import ROOT
from tasks.yielding import NICENESS
from tests.servers.loopback import free_port
from tests.servers.process import ServerDiedError, ServerProcess
from tests.tasks.conftest import SETTINGS

OURS = os.getpriority(os.PRIO_PROCESS, 0)  # whoever starts it may have lowered it already
PROCESSES, THREADS = 2, 3
COMMAND = [str(Path(sys.executable).parent / "dramatiq"), "tasks"]

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux tells of each thread")


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        **SETTINGS,
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{folder / 'orders.db'}",
        # Nobody is there: its threads run all the same, and try again.
        "RABBITMQ_URL": f"amqp://127.0.0.1:{free_port()}/",
        "INVENTORY_URL": "http://127.0.0.1:1",
        "SETTLEMENT_URL": "http://127.0.0.1:1",
        **more,
    }


Start = Callable[..., ServerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a worker, whose processes and threads all run when this returns."""
    started: list[ServerProcess] = []

    def begin(processes: int = PROCESSES, **settings: str) -> ServerProcess:
        log = tmp_path / "worker.log"
        command = [*COMMAND, "--processes", str(processes), "--threads", str(THREADS)]
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(tmp_path, **settings),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        worker = ServerProcess(child, log)
        started.append(worker)
        worker.wait_until(lambda: len(working(worker)) == processes, within_seconds=60)
        return worker

    yield begin
    for worker in started:
        worker.kill()


def niceness_of_threads(pid: int) -> list[int]:
    found = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # a thread may end while we read
            # The nineteenth value; the second, a name in brackets, may contain anything.
            found.append(int(stat.read_text().rpartition(")")[2].split()[16]))
    return found


def working(worker: ServerProcess) -> list[list[int]]:
    """Return the niceness of each thread of the processes that do the work: those with all of their threads."""
    return [found for pid in worker.family()[1:] if len(found := niceness_of_threads(pid)) > THREADS]


def test_all_threads_of_a_workers_processes_yield(start: Start) -> None:
    worker = start()
    assert NICENESS == 3
    assert {one for threads in working(worker) for one in threads} == {max(NICENESS, OURS)}
    # Whoever watches over them does nothing, so it needn't.
    assert niceness_of_threads(worker.pid)[0] == OURS


@pytest.mark.parametrize(("niceness", "expected"), [("0", 0), ("10", 10), ("19", 19)])
def test_how_much_is_a_setting(start: Start, niceness: str, expected: int) -> None:
    worker = start(WORKER_NICENESS=niceness)
    assert {one for threads in working(worker) for one in threads} == {max(expected, OURS)}


@pytest.mark.parametrize("wrong", ["-1", "20", "much", "1.5"])
def test_a_wrong_value_ends_the_start_with_one_line(start: Start, wrong: str) -> None:
    with pytest.raises(ServerDiedError) as died:
        start(WORKER_NICENESS=wrong, processes=1)
    told, *lines = str(died.value).splitlines()
    assert "ended (1)" in told
    # Beside what dramatiq says of its own processes.
    [line] = [line for line in lines if line and "dramatiq.MainProcess" not in line]
    assert line.startswith("orderapp: WORKER_NICENESS: ")
