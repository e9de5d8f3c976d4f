"""The file that archived orders go to, a line each: what is said to be in it is on the disk."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orderapp.errors import ArchiveUnusable
from orderapp.services.archived_rows import FORMAT

OWNER_ONLY = 0o600  # customers' names and addresses are in it
BEGINNING = f'{{"format":"{FORMAT}"'.encode()
BACKWARDS_BYTES = 65_536  # read at a time when looking for the last line's beginning


class ArchiveFile:
    """A file opened for adding lines, ours alone until it is closed."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def add(self, lines: bytes) -> None:
        """Add lines, all or none; they are on the disk when this returns. Raises ArchiveUnusable, nothing added."""
        before = os.fstat(self._descriptor).st_size
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError as error:
            # What can't be taken back either is found and taken off when the file is opened the next time.
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise _unusable(self.path, error.strerror) from error


@contextmanager
def opened(path: Path) -> Iterator[ArchiveFile]:
    """Open an archive, or make one that its owner alone can read.

    A last line that was cut off, by a death while it was written, is taken off: its order was not deleted.

    Raises:
        ArchiveUnusable: it can't be opened, others may read it, another process adds to it, or it holds something else.

    """
    try:
        descriptor = _open(path)
    except OSError as error:
        raise _unusable(path, error.strerror) from error
    try:
        _refuse_strange(path, descriptor)
        try:
            _take_off_torn_line(descriptor)
        except OSError as error:
            raise _unusable(path, error.strerror) from error
        yield ArchiveFile(path, descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Open the file; one that is made is there after a power cut as well."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK  # not to wait for somebody at a pipe's other end
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        made = os.open(path, flags | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return made


def _refuse_strange(path: Path, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "it is no file")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise _unusable(path, "another process adds to it right now") from error
    if found.st_mode & 0o077:
        raise _unusable(path, f"others may read it; `chmod 600 {path}` first")
    beginning = os.pread(descriptor, len(BEGINNING), 0)
    if not BEGINNING.startswith(beginning):
        raise _unusable(path, "it holds something else than archived orders")


def _take_off_torn_line(descriptor: int) -> None:
    size = end = os.fstat(descriptor).st_size
    whole = 0
    while end and not whole:
        begin = max(0, end - BACKWARDS_BYTES)
        whole = begin + os.pread(descriptor, end - begin, begin).rfind(b"\n") + 1
        whole = 0 if whole == begin else whole
        end = begin
    if whole != size:
        os.ftruncate(descriptor, whole)
        os.fsync(descriptor)


def _unusable(path: Path, why: str | None) -> ArchiveUnusable:
    return ArchiveUnusable(f"{path}: {why}")
