"""Files and folders that only their owner can read, because orders, names and addresses are in them."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

FILE_MODE, FOLDER_MODE = 0o600, 0o700
# The files that SQLite keeps beside a database; it gives them the database's mode and needs them after a crash.
BESIDE_SQLITE = ("", "-wal", "-shm", "-journal")


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone; leave an existing one as it is, since it may be a home folder."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def keep_to_owner(database: Path) -> None:
    """Let only its owner read or write an SQLite database; make it, empty, if it doesn't exist.

    Does nothing if the folder doesn't exist; opening the database then fails. A file of another account is left as it
    is: its owner decides who reads it (`flask doctor` warns).
    """
    with suppress(OSError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
    for suffix in BESIDE_SQLITE:
        with suppress(OSError):
            descriptor = os.open(f"{database}{suffix}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                found = os.fstat(descriptor)
                if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
                    os.fchmod(descriptor, FILE_MODE)
            finally:
                os.close(descriptor)


def readable_by_others(file: Path) -> bool:
    """Return whether accounts other than the owner may read or write a file or SQLite's files beside it."""
    for suffix in BESIDE_SQLITE:
        with suppress(OSError):
            if os.stat(f"{file}{suffix}").st_mode & 0o077:
                return True
    return False
