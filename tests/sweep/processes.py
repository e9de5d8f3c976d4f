"""The product's processes, forked from one that has loaded everything: a new one costs milliseconds, not a second."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from dramatiq import Worker
from werkzeug.serving import WSGIRequestHandler, make_server

from orderapp.sandbox.serving import SandboxServer
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import HOST, poll_until
from tests.sweep.boundaries import DEATH, Journal, watch

PARENT_DIED = 1  # PR_SET_PDEATHSIG, Linux


def forked(work: Callable[[], None]) -> int:
    """Do the work in a new process, which ends with it, or with us; return its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it belongs into the log and ends this process only
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def wait_for_stop() -> None:
    """Wait until told to stop."""
    signal.sigwait({signal.SIGTERM})


class ForkedSandbox(RunningSandbox):
    """The sandbox as a process of its own."""

    pid = 0

    def start(self) -> None:
        """Start, and wait until it answers."""

        def serve() -> None:
            server = SandboxServer(self.settings, self.port, self.smtp_port)
            server.start()
            wait_for_stop()

        self.pid = forked(serve)
        assert poll_until(self._answers, within_seconds=30), "the sandbox doesn't answer"

    def stop(self) -> None:
        """End it."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5):
            return True
        return False


class Processes:
    """Web, worker and timer of one installation. Needs the environment of the product to be set.

    A process that dies as planned is replaced at the next `tend`; any other end is an error.
    """

    def __init__(self, journal: Journal) -> None:
        # Makes the application and the broker; only now, since the environment says what they are like.
        import tasks
        import tasks.timer

        self._journal = journal
        self._tasks = tasks
        self._works: dict[str, Callable[[], None]] = {
            "web": self._web,
            "worker": self._worker,
            "timer": tasks.timer.main,
        }
        self._running: dict[str, int] = {}
        self._socket = socket.create_server((HOST, 0), backlog=64)  # outlives the web process, as a service's would

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return f"http://{HOST}:{self._socket.getsockname()[1]}/api/v1"

    def start(self, role: str) -> None:
        """Start one of web, worker, timer."""

        def work() -> None:
            watch(role, self._journal, self._tasks.broker)
            self._works[role]()

        self._running[role] = forked(work)

    def stop(self, role: str) -> None:
        """Stop one as an operator would, and wait until it is gone."""
        pid = self._running.pop(role)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)

    def kill(self) -> None:
        """End all."""
        for pid in self._running.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._running.clear()

    def tend(self, died: Callable[[str], None]) -> list[str]:
        """Replace dead processes after calling `died` with their role; return a line for each unplanned end."""
        surprises = []
        for role, pid in list(self._running.items()):
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                code = os.waitstatus_to_exitcode(status)
                if code != DEATH:
                    surprises.append(f"the {role} process ended by itself with {code}")
                died(role)
                self.start(role)
        return surprises

    def _web(self) -> NoReturn:
        server = make_server(HOST, 0, self._tasks.app, threaded=True, request_handler=_Quiet, fd=self._socket.fileno())
        server.serve_forever()
        raise AssertionError("the web server ended")

    def _worker(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        # One thread, so that what happens before and after a boundary is the same in each run.
        Worker(self._tasks.broker, worker_threads=1).start()
        wait_for_stop()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """Say nothing: the product has its own log."""


def in_a_process(work: Callable[[], str]) -> str:
    """Do the work in a process of its own, so that no connection of it is left in this one; return what it returns."""
    reading, writing = os.pipe()

    def tell() -> None:
        os.write(writing, work().encode())

    pid = forked(tell)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0, "the set-up failed; see the log"
    return told
