"""A private PostgreSQL."""

import os
import secrets
import shutil
import signal
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from tests.servers.loopback import HOST, free_port
from tests.servers.process import ServerDirectory, ServerProcess, unprivileged_account

_SUPERUSER = "postgres"

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # TCP only: one way in, and no limit on the length of the directory's name
    "max_connections": "200",  # several web and worker processes, each with its pool, in one test
    # The tests kill processes, never the machine: what the kernel has got is safe, and needn't reach the disk, which
    # takes most of a commit's time. (synchronous_commit stays on: without it a killed PostgreSQL forgets commits.)
    "fsync": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "jit": "off",  # compiling costs more than it saves on the tests' few rows
}

# For the benchmarks: every commit reaches the disk, as in production.
_DURABLE = {"fsync": "on", "full_page_writes": "on"}

_STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def find() -> Path | None:
    """Return the directory of PostgreSQL's programs (`POSTGRES_BIN`, Debian's newest, or from PATH); None if absent."""
    if "POSTGRES_BIN" in os.environ:
        candidates = [Path(os.environ["POSTGRES_BIN"])]
    else:
        by_version = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
        on_path = shutil.which("postgres")
        candidates = [*reversed(by_version), *([Path(on_path).resolve().parent] if on_path else [])]
    return next((path for path in candidates if (path / "postgres").exists() and (path / "initdb").exists()), None)


class PostgresServer:
    """A cluster of its own in a temporary directory. As a context manager it runs inside the block.

    `durable` makes every commit reach the disk.
    """

    def __init__(self, programs: Path, *, durable: bool = False) -> None:
        self._programs = programs
        self._settings = {**_SETTINGS, **(_DURABLE if durable else {})}
        self._directory = ServerDirectory("postgres", unprivileged_account("postgres"))
        self._data = self._directory.path / "data"
        self._port = free_port()
        self._process: ServerProcess | None = None
        initdb = [str(programs / "initdb"), f"--pgdata={self._data}", f"--username={_SUPERUSER}", "--auth=trust"]
        self._directory.run([*initdb, "--encoding=UTF8", "--no-locale", "--no-sync"])

    def __enter__(self) -> "PostgresServer":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop("immediate")
        self._directory.remove()

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `postgres`, as superuser."""
        return self._url("postgres")

    @property
    def pid(self) -> int:
        """The process id of the postmaster. Raises RuntimeError where it isn't running."""
        if self._process is None:
            raise RuntimeError("PostgreSQL is not running")
        return self._process.pid

    def start(self) -> None:
        """Start on the same port with the same data, and wait until it answers."""
        settings = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self._port)}.items()]
        self._process = self._directory.start([str(self._programs / "postgres"), "-D", str(self._data), *settings])
        # 60 s: recovery after a kill takes about one on an idle machine.
        self._process.wait_until(self._answers, within_seconds=60)

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop: `fast` ends connections and shuts down in order, `immediate` leaves recovery to the next start."""
        if self._process is not None:
            self._process.stop(_STOP_SIGNALS[mode], within_seconds=20)
            self._process = None

    def kill(self) -> None:
        """End the postmaster and all backends with SIGKILL, as the kernel does when memory runs out."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def create_folder(self, name: str) -> Path:
        """Create an empty folder beside the data, the server's own. `hand_over` it again once something is mounted."""
        folder = self._directory.path / name
        folder.mkdir()
        self.hand_over(folder)
        return folder

    def hand_over(self, path: Path) -> None:
        """Make a file or folder the server's own."""
        self._directory.hand_over(path)

    def create_database(self) -> str:
        """Create an empty database of a random name and return its SQLAlchemy URL."""
        name = f"test_{secrets.token_hex(6)}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database that `create_database` made, connections to it included."""
        name = url.rpartition("/")[2]
        self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://{_SUPERUSER}@{HOST}:{self._port}/{database}"

    def _connect(self) -> psycopg.Connection:
        # 5 s: on loopback an answer comes immediately or never.
        return psycopg.connect(
            host=HOST, port=self._port, user=_SUPERUSER, dbname="postgres", autocommit=True, connect_timeout=5
        )

    def _execute(self, statement: sql.Composed) -> None:
        with self._connect() as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True
