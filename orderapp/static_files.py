"""Static files under names that change with their content, so that browsers may keep them for a year; compressed.

`url_for("static", filename="shop.css")` gives `/static/shop.3f2a9c1b7d04.css`. The files are small and few: each
process compresses each of them once, at its first use.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Response, make_response, request
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

YEAR_SECONDS = 31_536_000  # the longest that caches keep anything (RFC 2616, 14.21)
HASH_CHARACTERS = 12  # 48 bits: two versions of a file never have the same
MOST_FILES = 64  # several times as many as there are
_HASHED = re.compile(r"(?P<stem>.+)\.(?P<hash>[0-9a-f]{12})(?P<suffix>\.[a-z0-9]+)")
# By the file's ending, because a machine's own table of types may lack some.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}
# Pictures are compressed already.
_COMPRESSIBLE = frozenset({".css", ".js", ".svg", ".txt"})


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's content, as it is and compressed; `compressed` is empty if that wouldn't be shorter."""

    hash: str
    content: bytes
    compressed: bytes


def add_hash(folder: str | None, values: dict[str, Any]) -> None:
    """Put the hash of a static file into the values for its address; leave a file that isn't there alone."""
    path = safe_join(folder, values["filename"]) if folder else None
    if path and Path(path).is_file():
        stem, dot, suffix = values["filename"].rpartition(".")
        values["filename"] = f"{stem}.{_read(path).hash}{dot}{suffix}"


def answer(folder: str | None, filename: str) -> Response | None:
    """Return the file that a name with a hash means; None for a name without one.

    A page that is older than a file's new version gets the new one, and keeps it no longer than any other answer.

    Raises:
        NotFound: there is no such file.
    """
    named = _HASHED.fullmatch(filename)
    if named is None or folder is None:
        return None
    path = safe_join(folder, f"{named['stem']}{named['suffix']}")
    if path is None or not Path(path).is_file():
        raise NotFound
    return respond(_read(path), named["suffix"], named["hash"])


def respond(file: StaticFile, suffix: str, named_hash: str) -> Response:
    """Return a file as an answer; it may be kept if it was asked for under the hash of its content."""
    is_compressed = bool(file.compressed) and request.accept_encodings["gzip"] > 0
    response = make_response(file.compressed if is_compressed else file.content)
    response.content_type = TYPES.get(suffix, "application/octet-stream")
    if is_compressed:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    if named_hash == file.hash:
        response.cache_control.public, response.cache_control.max_age = True, YEAR_SECONDS
        response.cache_control.immutable = True
    else:
        response.cache_control.no_cache = True
    return response


def _read(path: str) -> StaticFile:
    return _read_at(path, Path(path).stat().st_mtime_ns)


@lru_cache(MOST_FILES)
def _read_at(path: str, _changed_at_ns: int) -> StaticFile:
    return static_file(Path(path).read_bytes(), Path(path).suffix)


def static_file(content: bytes, suffix: str) -> StaticFile:
    """Return a file with its hash, and compressed if its ending says that this makes it shorter."""
    compressed = gzip.compress(content, 9, mtime=0) if suffix in _COMPRESSIBLE else b""
    digest = hashlib.sha256(content).hexdigest()[:HASH_CHARACTERS]
    return StaticFile(digest, content, compressed if len(compressed) < len(content) else b"")
