"""The file of archived orders, one line each. A line counts as written only when it is on the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orderapp.errors import ArchiveUnusable
from orderapp.services.archive.rows import FORMAT

OWNER_ONLY = 0o600  # customers' names and addresses are in it
BEGINNING = f'{{"format":"{FORMAT}"'.encode()
PASSING = getattr(os, "O_PATH", os.O_RDONLY)  # some folders may be passed through but not read
BACKWARDS_BYTES = 65_536  # read at a time when searching the start of the last line


class ArchiveFile:
    """A file opened for appending lines, locked for us until it is closed."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def add(self, lines: bytes) -> None:
        """Append lines, all or none; they are on the disk when this returns. Raises ArchiveUnusable, nothing added."""
        before = os.fstat(self._descriptor).st_size
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fsync(self._descriptor)
        except OSError as error:
            # If this fails too, the next opening of the file removes the incomplete line.
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise _unusable(self.path, error.strerror) from error


@contextmanager
def opened(path: Path) -> Iterator[ArchiveFile]:
    """Open an archive, or create one that only its owner can read.

    An incomplete last line, left by a crash, is removed: its order was not deleted.

    Raises:
        ArchiveUnusable: it can't be opened, others may read or change it or a folder of its path, the path contains a
            link, another process appends to it, or it isn't an archive.
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
    """Open the file in a folder that nobody else can change; a new file also survives a power failure."""
    # Don't follow a link, and don't wait for the other end of a pipe.
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    folder = _open_folder(path)
    try:
        try:
            return os.open(path.name, flags, dir_fd=folder)
        except FileNotFoundError:
            made = os.open(path.name, flags | os.O_CREAT | os.O_EXCL, OWNER_ONLY, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _unusable(path, "it is a link; name the file itself") from error
            raise
        os.fsync(folder)
        return made
    finally:
        os.close(folder)


def _open_folder(path: Path) -> int:
    """Open the file's folder, step by step and without following links.

    A user who can write to a folder of the path could replace the next one; a sticky folder (/tmp) protects ours.
    """
    parts = Path.cwd().joinpath(path).parts
    if path.name in ("", ".", ".."):
        raise _unusable(path, "it is no file")
    folder = os.open(parts[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for count in range(2, len(parts)):
            last = count == len(parts) - 1
            above, folder = folder, _step_down(path, folder, Path(*parts[:count]), reading=last)
            os.close(above)
            _refuse_open_folder(path, folder, Path(*parts[:count]), may_be_sticky=not last)
    except BaseException:
        os.close(folder)
        raise
    return folder


def _step_down(path: Path, folder: int, below: Path, *, reading: bool) -> int:
    access = os.O_RDONLY if reading else PASSING
    try:
        return os.open(below.name, access | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.stat(below.name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _unusable(path, f"{below} is a link; name the folder that it leads to") from error
        raise


def _refuse_open_folder(path: Path, folder: int, name: Path, *, may_be_sticky: bool) -> None:
    found = os.fstat(folder)
    if found.st_uid not in (0, os.geteuid()):
        raise _unusable(path, f"the folder {name} is another user's, who could put another file in its place")
    if found.st_mode & 0o022 and not (may_be_sticky and found.st_mode & stat.S_ISVTX):
        raise _unusable(path, f"others may write to the folder {name}; `chmod go-w {name}` first, or choose another")


def _refuse_strange(path: Path, descriptor: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "it is no file")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise _unusable(path, "another process adds to it right now") from error
    if found.st_uid != os.geteuid():
        raise _unusable(path, "it is another user's, who would read the orders; move it away first")
    if found.st_nlink > 1:
        raise _unusable(path, "it has another name somewhere (a hard link), where others may find it")
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
