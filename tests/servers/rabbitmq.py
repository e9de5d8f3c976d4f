"""A private RabbitMQ, with a port mapper (epmd) of its own, so that no other Erlang program is touched."""

import os
import secrets
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

from tests.servers.loopback import HOST, free_port
from tests.servers.process import ServerDirectory, ServerProcess, unprivileged_account

# A client's first bytes (AMQP 0-9-1), and the type of the frame with which a server that is ready answers.
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


def find() -> Path | None:
    """Return the directory of RabbitMQ's programs (`RABBITMQ_BIN`, Debian's, or from PATH); None where absent.

    Debian's /usr/sbin/rabbitmq-server is not what we want: it changes user and writes to the system's log directory.
    """
    if "RABBITMQ_BIN" in os.environ:
        candidates = [Path(os.environ["RABBITMQ_BIN"])]
    else:
        on_path = shutil.which("rabbitmq-server")
        candidates = [Path("/usr/lib/rabbitmq/bin"), *([Path(on_path).resolve().parent] if on_path else [])]
    complete = (path for path in candidates if (path / "rabbitmq-server").exists() and shutil.which("epmd"))
    return next(complete, None)


class RabbitmqServer:
    """A single node in a temporary directory. As a context manager it runs inside the block."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._port, self._epmd_port = free_port(), free_port()
        self._directory = ServerDirectory("rabbitmq", unprivileged_account("rabbitmq"))
        self._environment = self._write_settings()
        self._process: ServerProcess | None = None
        self._epmd: ServerProcess | None = None

    def __enter__(self) -> "RabbitmqServer":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
        self._directory.remove()

    @property
    def url(self) -> str:
        """The AMQP URL of the virtual host `/`, as guest."""
        return f"amqp://guest:guest@{HOST}:{self._port}/%2F"

    @property
    def pid(self) -> int:
        """The process id of the Erlang machine. Raises RuntimeError where it isn't running."""
        if self._process is None:
            raise RuntimeError("RabbitMQ is not running")
        return self._process.pid

    def start(self) -> None:
        """Start on the same port with the same data, and wait until it takes connections (about 5 s)."""
        if self._epmd is None:
            epmd = ["epmd", "-port", str(self._epmd_port), "-address", HOST]
            self._epmd = self._directory.start(epmd, self._environment)
            self._epmd.wait_until(self._epmd_listens, within_seconds=10)
        self._process = self._directory.start([str(self._programs / "rabbitmq-server")], self._environment)
        self._process.wait_until(self._answers, within_seconds=90)

    def stop(self) -> None:
        """Stop in order: connections are closed, durable queues and persistent messages are kept."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM, within_seconds=30)
            self._process = None

    def kill(self) -> None:
        """End the Erlang machine with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` with these arguments against this node (about 1 s) and return its output.

        Raises ServerDiedError with the output where it fails.
        """
        return self._directory.run([str(self._programs / "rabbitmqctl"), "--quiet", *arguments], self._environment)

    def reset_vhost(self) -> None:
        """Delete the virtual host `/` with its contents and connections, and make it again."""
        self.ctl("delete_vhost", "/")
        self.ctl("add_vhost", "/")
        self.ctl("set_permissions", "--vhost", "/", "guest", ".*", ".*", ".*")

    def _write_settings(self) -> dict[str, str]:
        """Write what the node reads at its start, and return the environment that makes it read nothing else."""
        directory = self._directory.path
        self._directory.write(".erlang.cookie", secrets.token_hex(16), mode=0o400)
        plugins = self._directory.write("enabled_plugins", "[].\n")
        config = self._directory.write("rabbitmq.conf", "log.console = true\nlog.file = false\n")
        return {
            **os.environ,
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"orderapp-{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(directory),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "no-more-settings"),
            # The start script replaces itself by the Erlang machine instead of staying in between: our pid is its pid.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Only loopback between nodes too, and schedulers that sleep instead of spinning: the processors are shared.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}"
            " +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def _epmd_listens(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self._epmd_port), timeout=1):
            return True
        return False

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self._port), timeout=5) as connection:
            connection.sendall(_PROTOCOL_HEADER)
            return connection.recv(1) == _METHOD_FRAME
        return False
