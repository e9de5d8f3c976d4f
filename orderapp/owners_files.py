"""Files and folders that are their owner's alone: orders, names and addresses are in them."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700
# What SQLite keeps beside a database; it gives them the database's mode, and finds them there after a crash.
BESIDE_SQLITE = ("", "-wal", "-shm", "-journal")
# Nobody connects to a new database before the file that made it is closed.
_making = threading.Lock()


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone; one that is there already is left as it is: it may be somebody's home."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def keep_to_owner(database: Path) -> None:
    """Let nobody but its owner read or write an SQLite database; one that isn't there yet is made, empty.

    Does nothing where the folder doesn't exist; opening the database then says so. Another owner's file is left as it
    is: who may read it is theirs to decide (`flask doctor` warns).

    A database in use is never opened here: to close a file drops every lock that this process holds on it, those of
    its other connections too (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled).
    """
    with _making, suppress(OSError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
    for suffix in BESIDE_SQLITE:
        file = f"{database}{suffix}"
        with suppress(OSError):
            mode = os.lstat(file).st_mode
            if stat.S_ISREG(mode) and mode & 0o077:
                os.chmod(file, FILE_MODE)


def readable_by_others(file: Path) -> bool:
    """Return whether others than its owner may read or write a file, or what SQLite keeps beside it."""
    for suffix in BESIDE_SQLITE:
        with suppress(OSError):
            if os.stat(f"{file}{suffix}").st_mode & 0o077:
                return True
    return False
