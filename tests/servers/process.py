"""A server program as a child process: its account and directory, starting it, stopping it and its children by pid."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.servers.loopback import poll_until


class ServerDiedError(Exception):
    """The program ended, or never became ready; the text ends with its last lines of output."""


def unprivileged_account(preferred: str) -> pwd.struct_passwd | None:
    """Return the account a server is to run under: None (our own) unless we are root, then `preferred` or nobody.

    PostgreSQL refuses to run as root, and no server in a test needs root's rights.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(preferred)
    except KeyError:
        return pwd.getpwnam("nobody")


class ServerDirectory:
    """A temporary directory that belongs to the server's account, with everything of the server in it."""

    def __init__(self, name: str, account: pwd.struct_passwd | None) -> None:
        # Of the account only its own user and group, none of root's other groups.
        self._user = account.pw_uid if account else None
        self._group = account.pw_gid if account else None
        self._extra_groups: list[str | int] | None = [] if account else None
        self.path = Path(tempfile.mkdtemp(prefix=f"orderapp-{name}-"))
        self.hand_over(self.path)

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """Create a file that the server can read; returns its path."""
        path = self.path / name
        path.write_text(text)
        path.chmod(mode)
        self.hand_over(path)
        return path

    def remove(self) -> None:
        """Delete the directory and all that is in it."""
        shutil.rmtree(self.path)

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None, timeout_seconds: float = 60) -> str:
        """Run a short command as the server's account and return its output. Raises ServerDiedError where it fails."""
        result = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            cwd=self.path,
            env=env,
            user=self._user,
            group=self._group,
            extra_groups=self._extra_groups,
        )
        if result.returncode != 0:
            raise ServerDiedError(f"{' '.join(command)} failed with status {result.returncode}:\n{result.stdout}")
        return result.stdout

    def start(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> "ServerProcess":
        """Start a program that stays, as the server's account, its output appended to a log file in the directory."""
        log = self.path / f"{Path(command[0]).name}.log"
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.path,
                env=env,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests, which then stop the server in order
                user=self._user,
                group=self._group,
                extra_groups=self._extra_groups,
            )
        return ServerProcess(child, log)

    def hand_over(self, path: Path) -> None:
        """Make a file or folder the server's own."""
        if self._user is not None and self._group is not None:
            os.chown(path, self._user, self._group)


class ServerProcess:
    """A running program. Should the tests be killed, unable to stop it in order, it is killed with them."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path) -> None:
        self._child = child
        self._log = log
        # A shell that waits for the end of its input, which comes when we close the pipe or die in any way.
        self._minder = subprocess.Popen(
            ["/bin/sh", "-c", 'read nothing; kill -s KILL -- "-$1"', "minder", str(child.pid)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process id of the program itself."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the program has not ended."""
        return self._child.poll() is None

    def wait_until(self, ready: Callable[[], bool], *, within_seconds: float) -> None:
        """Wait until `ready()` holds. Raises ServerDiedError where the program ends or the time is over before that."""
        answered = poll_until(lambda: not self.running or ready(), within_seconds=within_seconds)
        if answered and self.running:
            return
        reason = f"was not ready within {within_seconds} s" if self.running else f"ended ({self._child.returncode})"
        self.kill()
        last_lines = "\n".join(self._log.read_text(errors="replace").splitlines()[-60:])
        raise ServerDiedError(f"{self._child.args!r} {reason}; its last lines were:\n{last_lines}")

    def stop(self, signal_number: signal.Signals, *, within_seconds: float) -> None:
        """Ask the program to end, and kill it with its children where it doesn't within the time given."""
        self._child.send_signal(signal_number)
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(within_seconds)
        self.kill()

    def family(self) -> list[int]:
        """Return the process ids of the program and its children, its own first; none where it has ended."""
        return [self.pid, *_descendants(self.pid)] if self.running else []

    def kill(self) -> None:
        """Kill the program and its children immediately (SIGKILL), and wait until they are gone. May be repeated."""
        self._minder.kill()
        self._minder.communicate()
        doomed = self.family()
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._child.wait()
        poll_until(lambda: not any(map(_alive, doomed)), within_seconds=10)


def _descendants(pid: int) -> list[int]:
    """The children of a process and theirs, from Linux's /proc; none on systems without it."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread may end while we read
            for child in map(int, listing.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _alive(pid: int) -> bool:
    """Whether a process still holds anything: a zombie, which only waits for its parent to notice, doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
